// policy_prompt(): a policy in words for a language model, one sentence for each key that restricts cells.
#include <algorithm>
#include <sstream>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

namespace {

// "a, b and c", each in backquotes.
template <class List, class NameOf>
std::string listed(const List& list, NameOf name_of_one) {
    std::string out;
    std::size_t left = list.size();
    for (const auto& one : list) {
        out += "`" + std::string(name_of_one(one)) + "`";
        --left;
        out += left > 1 ? ", " : left == 1 ? " and " : "";
    }
    return out;
}

std::string listed(const std::vector<std::string>& names) {
    return listed(names, [](const std::string& name) { return name; });
}

std::string about_imports(const Policy& policy) {
    std::string out = "- Modules: ";
    if (!policy.imports) {
        out += "import any that is installed";
    } else if (policy.imports->empty()) {
        out += "import none; write plain Python";
    } else {
        out += "import only " + listed(*policy.imports);
    }
    const auto& allowed = policy.packages.allow;
    const bool any = std::find(allowed.begin(), allowed.end(), "*") != allowed.end();
    out += allowed.empty() ? ". Nothing can be installed: no pip, no conda."
           : any           ? ". `%pip install NAME` installs packages of the index, wheels only."
                           : ". `%pip install NAME` installs " + listed(allowed) + " and nothing else.";
    if (!policy.preload.empty()) {
        out += " Loaded already, so that importing them takes no time: " + listed(policy.preload) + ".";
    }
    return out + "\n";
}

std::string about_time(const Limits& limits) {
    std::ostringstream out;
    out << "- Time: a cell is interrupted after " << format_duration(limits.cell_time)
        << ", and killed where it doesn't end within " << format_duration(limits.grace_time)
        << " more; then all variables are lost.";
    if (limits.cell_time_max > limits.cell_time) {
        out << " A first line `%%timeout SECONDS` asks for more, up to "
            << format_duration(limits.cell_time_max) << ".";
    }
    return out.str() + " Save work in steps, over several cells.\n";
}

std::string about_resources(const Limits& limits) {
    std::ostringstream out;
    out << "- Resources: " << format_size(limits.memory_bytes) << " of memory, " << limits.processes
        << " processes and threads, the time of " << limits.cpus
        << (limits.cpus == 1.0 ? " processor" : " processors") << ", " << format_size(limits.disk_bytes)
        << " of files written. A cell's source has at most " << format_size(limits.code_bytes) << ".\n";
    return out.str();
}

std::string about_files(const Policy& policy) {
    const bool own = std::none_of(policy.files.begin(), policy.files.end(), [](const FileRule& rule) {
        return rule.sandbox == kWorkingDirectory && rule.mode != FileMode::empty;
    });
    std::string out = own ? "- Files: the working directory is empty at the start and private." : "- Files:";
    for (const auto& rule : policy.files) {
        if (rule.mode == FileMode::empty) {
            continue;
        }
        out += " `" + rule.sandbox + "` holds files of the user" +
               (rule.mode == FileMode::read ? ", to be read only." : ", which may be read and changed.");
    }
    const KeepRules* keep = keep_rules(policy);
    if (keep == nullptr) {
        return out + " What is written vanishes with the session, so print or show what matters.\n";
    }
    return out + " The user gets files that are written in `/work` and match " + listed(keep->patterns) +
           ", at most " + std::to_string(keep->count) + " of a cell and " + format_size(keep->size_bytes) +
           " each. What else is written vanishes with the session.\n";
}

// "`api.example.org` (`GET`; `/v1/`; Authorization is written on the way, so no key is needed)"
std::string about_host(const HostRule& rule) {
    std::string more;
    for (const auto& list : {rule.methods, rule.paths}) {
        more += list.empty() ? "" : (more.empty() ? "" : "; ") + listed(list);
    }
    for (const auto& header : rule.headers) {
        more += (more.empty() ? "" : "; ") + header.name + " is written on the way, so no key is needed";
    }
    return "`" + rule.text + "`" + (more.empty() ? "" : " (" + more + ")");
}

std::string about_network(const NetworkRules& rules) {
    if (!rules.any()) {
        return "- Network: none. No download, no API, no database server.\n";
    }
    std::string hosts;
    for (const auto& rule : rules.allow) {
        hosts += (hosts.empty() ? "" : ", ") + about_host(rule);
    }
    return "- Network: only " + hosts +
           ", by the proxy that the variables HTTP_PROXY and HTTPS_PROXY name; at most " +
           format_size(rules.bytes_out) +
           " are sent. Everything else is refused, and no name can be resolved.\n";
}

std::string about_markup(HtmlRule rule) {
    switch (rule) {
        case HtmlRule::sanitize:
            return " HTML and SVG lose scripts, forms, frames and whatever loads from outside.";
        case HtmlRule::drop:
            return " HTML and SVG are left out.";
        case HtmlRule::trust:
            break;
    }
    return " HTML and SVG are shown as they are.";
}

std::string about_outputs(const Policy& policy) {
    std::string out = "- Output: at most " + format_size(policy.limits.output_bytes) +
                      " for each cell; the rest is cut. Shown are " + listed(policy.outputs.mime) + "." +
                      about_markup(policy.outputs.html);
    const auto& mime = policy.outputs.mime;
    if (std::find(mime.begin(), mime.end(), "image/png") != mime.end()) {
        out += " A plot of matplotlib is shown as an image at its cell's end, or by `plt.show()`.";
    }
    const auto& comms = policy.outputs.comms;
    out +=
        comms.empty() ? " Widgets don't work." : " Comms (widgets) may be opened for " + listed(comms) + ".";
    return out + "\n";
}

std::string about_environment(const std::vector<EnvironmentRule>& rules) {
    if (rules.empty()) {
        return {};
    }
    return "- Environment variables that are set: " +
           listed(rules, [](const EnvironmentRule& rule) { return rule.name; }) + ".\n";
}

}  // namespace

std::string policy_prompt(const Policy& policy) {
    return "You write Python for IPython cells, which run one after another in one sandboxed session: "
           "variables,\n"
           "functions and imports of earlier cells are there. The last expression of a cell is shown. Errors "
           "come\n"
           "back as tracebacks; a line in them that begins with `cellblock:` names the rule that was "
           "met.\n\n" +
           about_imports(policy) + about_time(policy.limits) + about_resources(policy.limits) +
           about_files(policy) + about_network(policy.network) + about_outputs(policy) +
           about_environment(policy.environment) +
           "\nStay within this: the limits hold from outside of Python, and there is no way around them.\n";
}

}  // namespace cellblock::sandbox
