// Runs a Python with a few lines of code that print what it is, and reads them.
#include "kernel/cli/python_check.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "sandbox/base/resources.h"
#include "sandbox/base/subprocess.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;
namespace fs = std::filesystem;

constexpr std::chrono::seconds kTimeLimit{60};
constexpr std::pair kOldestIpython{8, 5};  // the worker's startup.py asks for the same
constexpr const char* kOldestIpythonText = "8.5";
constexpr std::size_t kMostCandidates = 8;

// Finds the one line of JSON behind a mark; a Python's startup may print anything before it.
constexpr const char* kMark = "cellblock-python-facts:";
constexpr const char* kQuestion = R"(
import json, sys
facts = {"program": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "prefix": sys.prefix}
try:
    import IPython
    facts["ipython"] = IPython.__version__
except ImportError as error:
    facts["missing"] = str(error)
import importlib.util
for name in ("matplotlib", "debugpy"):
    facts[name] = importlib.util.find_spec(name) is not None
print("\ncellblock-python-facts:" + json.dumps(facts))
)";

bool is_program(const fs::path& path) {
    std::error_code failed;
    return fs::is_regular_file(path, failed) && ::access(path.c_str(), X_OK) == 0;
}

// Every program called `name` on PATH, in the order of PATH.
std::vector<std::string> on_path(const std::string& name) {
    std::vector<std::string> out;
    const char* variable = std::getenv("PATH");
    std::string rest = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
    while (!rest.empty()) {
        const auto colon = rest.find(':');
        const fs::path candidate = fs::path(rest.substr(0, colon)) / name;
        rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
        const bool known = std::find(out.begin(), out.end(), candidate.string()) != out.end();
        if (candidate.is_absolute() && !known && is_program(candidate)) {
            out.push_back(candidate.string());
        }
    }
    return out;
}

Result<std::string> find_program(const std::string& program) {
    const std::string step = "--python " + program;
    if (program.find('/') != std::string::npos) {
        std::error_code failed;
        const fs::path path = fs::absolute(program, failed).lexically_normal();
        if (failed || !is_program(path)) {
            return Error{step, 0, "there is no program at " + path.string(),
                         "Give the path of a python3, for example ~/venv/bin/python3"};
        }
        return path.string();
    }
    const auto found = on_path(program);
    if (program.empty() || found.empty()) {
        return Error{step, 0, "there is no such program on PATH", "Give the path of a python3"};
    }
    return found.front();
}

std::string text_of(const nlohmann::json& facts, const char* key) {
    const auto found = facts.find(key);
    return found != facts.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<PythonFacts> read_facts(const std::string& printed) {
    const auto mark = printed.rfind(kMark);
    if (mark == std::string::npos) {
        return std::nullopt;
    }
    auto line = printed.substr(mark + std::char_traits<char>::length(kMark));
    line = line.substr(0, line.find('\n'));
    const auto facts = nlohmann::json::parse(line, nullptr, false);
    if (!facts.is_object()) {
        return std::nullopt;
    }
    const auto has = [&facts](const char* module) { return facts.value(module, nlohmann::json()) == true; };
    return PythonFacts{text_of(facts, "program"), text_of(facts, "version"), text_of(facts, "ipython"),
                       text_of(facts, "prefix"),  has("matplotlib"),         has("debugpy")};
}

// "8.5.0" → {8, 5}; zeros where there are no numbers.
std::pair<int, int> major_and_minor_of(const std::string& version) {
    std::pair<int, int> numbers{0, 0};
    const char* end = version.data() + version.size();
    const auto major = std::from_chars(version.data(), end, numbers.first);
    if (major.ptr != end && *major.ptr == '.') {
        std::from_chars(major.ptr + 1, end, numbers.second);
    }
    return numbers;
}

// The command that installs IPython for this Python.
std::string install_hint(const PythonFacts& facts) {
    const bool system = facts.sys_prefix == "/usr";
    return system ? "Install it with: sudo apt-get install python3-ipython python3-matplotlib"
                  : "Install it with: " + facts.program + " -m pip install ipython matplotlib";
}

Error none_is_fit(const std::vector<std::string>& reasons) {
    std::string message = std::string("no python3 on PATH has IPython ") + kOldestIpythonText + " or newer";
    for (const auto& reason : reasons) {
        message += "\n  " + reason;
    }
    return Error{
        "find a Python", 0, message + "\n",
        "Install one with: sudo apt-get install python3-ipython python3-matplotlib, or name one with "
        "--python"};
}

}  // namespace

Result<PythonFacts> ask_python(const std::string& program) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto path, find_program(program));
    auto output =
        run_subprocess({.argv = {path, "-I", "-c", kQuestion}, .time_limit = kTimeLimit, .joined = true});
    if (!output) {
        return output.error();
    }
    auto facts = read_facts(output->output);
    if (output->exit_status != 0 || !facts || facts->program.empty()) {
        std::string said = output->output.substr(0, 400);
        said.erase(said.find_last_not_of("\n ") + 1);
        return Error{"ask " + path, 0,
                     "it does not answer as a Python 3 does" + (said.empty() ? "" : ": " + said),
                     "Give the path of a python3, for example ~/venv/bin/python3"};
    }
    return *facts;
}

Status check_python(const PythonFacts& facts) {
    const std::string step = "check " + facts.program;
    if (facts.ipython.empty()) {
        return Error{step, 0, "this Python " + facts.version + " has no IPython", install_hint(facts)};
    }
    if (major_and_minor_of(facts.ipython) < kOldestIpython) {
        return Error{step, 0,
                     "its IPython is " + facts.ipython + "; " + kOldestIpythonText + " or newer is needed",
                     install_hint(facts)};
    }
    return Ok{};
}

void precompile_worker(const PythonFacts& facts) {
    if (auto folder = python_directory()) {
        const auto ignored = run_subprocess(
            {.argv = {facts.program, "-I", "-m", "compileall", "-q", *folder}, .time_limit = kTimeLimit});
        static_cast<void>(ignored);
    }
}

Result<PythonFacts> choose_python(const std::optional<std::string>& asked) {
    const std::string named = asked ? *asked : python_of_environment();
    if (asked || !named.empty()) {
        auto facts = ask_python(named);
        if (!facts) {
            return facts;
        }
        CELLBLOCK_RETURN_IF_ERROR(check_python(*facts));
        return facts;
    }
    auto candidates = on_path("python3");
    candidates.resize(std::min(candidates.size(), kMostCandidates));
    std::vector<std::string> reasons;
    for (const auto& candidate : candidates) {
        auto facts = ask_python(candidate);
        auto fit = facts ? check_python(*facts) : Status(facts.error());
        if (fit) {
            return facts;
        }
        reasons.push_back(fit.error().step + ": " + fit.error().message);
    }
    return none_is_fit(reasons);
}

}  // namespace cellblock::kernel
