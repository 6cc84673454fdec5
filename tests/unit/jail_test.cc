// The native engine's parts, and a jail with a tiny program in it.
#include <poll.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "sandbox/base/text.h"
#include "sandbox/jail/allowed_calls.h"
#include "sandbox/jail/error_messages.h"
#include "sandbox/jail/file_rules.h"
#include "sandbox/jail/font_list.h"
#include "sandbox/jail/identity.h"
#include "sandbox/jail/jail_sandbox.h"
#include "sandbox/jail/landlock.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/left_out.h"
#include "sandbox/jail/path_chain.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/jail/rootfs_files.h"
#include "sandbox/jail/seccomp.h"
#include "sandbox/jail/spawn.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

namespace {

using namespace cellblock::sandbox;
using cellblock::tests::Folder;
namespace fs = std::filesystem;

bool has_python() {
    return fs::exists("/usr/bin/python3");
}

// A jail whose PID 1 runs `code` in place of the warden.
class CodeInJail {
public:
    explicit CodeInJail(const std::string& code, Policy policy = builtin_policy()) {
        folder_.file("code.py", code);
        policy.python = "/usr/bin/python3";
        auto cgroup = jail::Cgroup::make(policy.limits);
        auto plan =
            jail::build_plan(policy, {folder_.path}, *jail::find_python(policy.python),
                             {folder_.path, folder_.file("warden", "")}, !cgroup.limits_memory().empty());
        REQUIRE(plan.ok());
        const std::string inside = (*plan)->without_namespaces ? folder_.path : jail::kPythonInside;
        (*plan)->arguments = {policy.python, "-I", "-B", inside + "/code.py"};
        (*plan)->argv = pointers((*plan)->arguments);
        REQUIRE(jail::complete_filter(**plan).ok());
        jail::use_cgroup(**plan, cgroup);
        auto spawned = jail::spawn_jail(**plan);
        REQUIRE(spawned.ok());
        auto layers = jail::layers_of(**plan, cgroup);
        sandbox = std::make_unique<jail::JailSandbox>(std::move(*plan), cgroup, std::move(*spawned),
                                                      WorkerSockets(), std::move(layers));
    }

    // All that PID 1 writes to descriptor 3, until its end.
    std::string read_all() const {
        std::string all;
        char part[4096];
        pollfd wanted{sandbox->warden_fd(), POLLIN, 0};
        while (::poll(&wanted, 1, 20000) > 0) {
            const ssize_t size = ::read(sandbox->warden_fd(), part, sizeof part);
            if (size <= 0) {
                break;
            }
            all.append(part, static_cast<std::size_t>(size));
        }
        return all;
    }

    std::unique_ptr<jail::JailSandbox> sandbox;

private:
    Folder folder_;
};

// False, and said visibly, where this host can't make a jail.
bool jails_work() {
    if (!has_python()) {
        WARN("skipped: no /usr/bin/python3");
        return false;
    }
    const CodeInJail probe("import os; os.write(3, b'up')");
    if (probe.read_all() == "up") {
        return true;
    }
    WARN("skipped: " << probe.sandbox->death_reason());
    return false;
}

}  // namespace

TEST_CASE("links are followed one by one and kept note of") {
    const Folder folder;
    fs::create_directories(folder.path + "/a/real");
    fs::create_directory_symlink("a", folder.path + "/b");
    fs::create_directory_symlink(folder.path + "/b/real", folder.path + "/c");
    auto chain = jail::follow_links(folder.path + "/c/../real/.");
    REQUIRE(chain.ok());
    CHECK(chain->real == folder.path + "/a/real");
    REQUIRE(chain->links.size() == 2);
    CHECK(chain->links[0].path == folder.path + "/c");
    CHECK(chain->links[1].text == "a");
    fs::create_symlink("loop", folder.path + "/loop");
    CHECK_FALSE(jail::follow_links(folder.path + "/loop").ok());
    CHECK_FALSE(jail::follow_links(folder.path + "/missing").ok());
    CHECK(jail::is_inside("/usr/lib", "/usr"));
    CHECK_FALSE(jail::is_inside("/usrlocal", "/usr"));
}

TEST_CASE("a Python in /usr needs nothing bound") {
    if (!has_python()) {
        WARN("skipped: no /usr/bin/python3");
        return;
    }
    auto python = jail::find_python("/usr/bin/python3");
    REQUIRE(python.ok());
    CHECK(python->prefixes.empty());
    CHECK(python->program == "/usr/bin/python3");
}

TEST_CASE("a virtual environment brings its own prefix and that of its Python") {
    const Folder folder;
    const std::string base = folder.path + "/base";
    folder.file("base/lib/python3.12/os.py", "");
    folder.file("base/bin/python3.12",
                "\x7f"
                "ELF....");
    folder.file("venv/pyvenv.cfg", "home = " + base + "/bin\nversion = 3.12\n");
    fs::create_directories(folder.path + "/venv/bin");
    fs::create_symlink(base + "/bin/python3.12", folder.path + "/venv/bin/python");
    auto python = jail::find_python(folder.path + "/venv/bin/python");
    REQUIRE(python.ok());
    CHECK(python->prefixes == std::vector<std::string>{folder.path + "/venv", base});
}

TEST_CASE("what is no Python is refused with a remedy") {
    const Folder folder;
    CHECK(jail::find_python(folder.path + "/none").error().text().find("\"python\"") != std::string::npos);
    auto other = jail::find_python(folder.file("x/bin/tool",
                                               "\x7f"
                                               "ELF...."));
    REQUIRE_FALSE(other.ok());
    CHECK(other.error().text().find("lib/python3") != std::string::npos);
    auto script = jail::find_python(folder.file("y/bin/python3", "#!/bin/sh\nexit 0\n"));
    REQUIRE_FALSE(script.ok());
    CHECK(script.error().text().find("no answer") != std::string::npos);
}

TEST_CASE("a file rule can't hide what the jail needs") {
    const Folder folder;
    const jail::PythonHome python{"/usr/bin/python3", {"/opt/py"}, {}};
    for (const char* path :
         {"/proc", "/proc/x", "/dev/shm", "/usr", "/usr/x", "/etc/passwd", "/opt/cellblock", "/opt",
          "/opt/py", "/home", "/var", "relative", "/a/../usr", "/lib64"}) {
        INFO(path);
        auto steps = jail::file_rule_steps({{folder.path, path, FileMode::read}}, "/", python);
        REQUIRE_FALSE(steps.ok());
        CHECK(steps.error().text().find("files[0].sandbox") != std::string::npos);
    }
    CHECK(jail::file_rule_steps({{".", "/work", FileMode::overlay}}, folder.path, python).ok());
    CHECK(jail::file_rule_steps({{"none", "/work", FileMode::read}}, folder.path, python).error().step ==
          "files[0].host \"none\"");
    const FileRule twice{".", "/work", FileMode::read};
    CHECK_FALSE(jail::file_rule_steps({twice, twice}, folder.path, python).ok());
}

TEST_CASE("names of keys") {
    for (const char* name : {".ssh", ".SSH", ".env", ".env.local", "id_rsa", "ID_RSA.old", "id_ed25519.pub",
                             "a.pem", "A.PEM", "x.key", ".netrc", "credentials.json", ".config"}) {
        INFO(name);
        CHECK(jail::is_key_name(name));
    }
    for (const char* name : {"env", "ssh", "data.csv", "keys", "pem", "key", "environment", ".git",
                             "x.key.txt", "tokenizer.json", "my_id_rsa"}) {
        INFO(name);
        CHECK_FALSE(jail::is_key_name(name));
    }
}

TEST_CASE("what is left out of a folder is bounded, in number and in depth") {
    const Folder folder;
    const auto touch = [&](const std::string& name) {
        fs::create_directories(fs::path(folder.path + "/" + name).parent_path());
        std::ofstream(folder.path + "/" + name) << "x";
    };
    touch(".hidden");
    touch("a/.hidden");
    touch("a/b/c/.env");
    touch("a/b/c/d/.env");
    touch(".git/.env");
    const auto paths = [&](const std::string& named) {
        std::set<std::string> found;
        const auto left_out = jail::left_out_of(folder.path, named, "files[0]");
        for (const auto& one : *left_out) {
            found.insert(one.path + (one.is_file ? "" : "/"));
        }
        return found;
    };
    CHECK(paths(".") == std::set<std::string>{".hidden", ".git/", "a/b/c/.env"});
    CHECK(paths("x/.git").empty());
    CHECK(paths("/home/me/.ssh/more").empty());
    CHECK(paths("/home/me/.cache/x").size() == 3);
    for (std::size_t i = 0; i < jail::kMostLeftOut; ++i) {
        touch("." + std::to_string(i));
    }
    CHECK_FALSE(jail::left_out_of(folder.path, ".", "files[0]").ok());
}

TEST_CASE("what a rule names itself isn't marked as removed; what another one covers is") {
    const Folder folder;
    for (const char* name : {"nb/.aws/a", "nb/.kube/a", "other/a"}) {
        std::filesystem::create_directories(folder.path + "/" + name);
    }
    const std::vector<FileRule> rules{{.host = "nb", .sandbox = "/work", .mode = FileMode::overlay},
                                      {.host = "nb/.aws", .sandbox = "/work/.aws"},
                                      {.host = "other", .sandbox = "/work/.kube"}};
    const auto steps = jail::file_rule_steps(rules, folder.path, {});
    REQUIRE(steps.ok());
    CHECK(steps->front().text == ".kube/");
}

TEST_CASE("a step that would lie in what isn't shown is refused, and one in its place takes it") {
    jail::FileStep shown;
    shown.kind = jail::FileStepKind::bind;
    shown.target = "data";
    shown.left_out = {{".a", false}, {"b/.env", true}};
    jail::FileStep other = shown;
    other.left_out.clear();
    other.target = "data/.a";
    const auto masks = jail::mask_steps({shown, other});
    REQUIRE(masks.ok());
    REQUIRE(masks->size() == 1);
    CHECK(masks->front().target == "data/b/.env");
    other.target = "data/.a/inner";
    CHECK_FALSE(jail::mask_steps({shown, other}).ok());
}

TEST_CASE("the filter is a program, on each machine that is supported") {
    for (const std::uint32_t machine : {std::uint32_t{0}, SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64}) {
        for (const bool memory_is_limited : {true, false}) {
            auto filter =
                jail::build_filter({memory_is_limited, memory_is_limited, !memory_is_limited}, machine);
            REQUIRE(filter.ok());
            CHECK(filter->size() > 200);
            CHECK(filter->size() < 4096);
        }
    }
}

TEST_CASE("every call in the filter's lists is one that some supported machine has") {
    const auto known = [](const char* name) {
        return seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, name) >= 0 ||
               seccomp_syscall_resolve_name_arch(SCMP_ARCH_AARCH64, name) >= 0;
    };
    std::set<std::string> seen;
    for (const auto list : {jail::allowed_calls(), jail::calls_with_memory_of_their_own(),
                            jail::calls_said_to_be_missing(), jail::calls_left_undone()}) {
        for (const char* name : list) {
            INFO(name);
            CHECK(known(name));
            CHECK(seen.insert(name).second);
        }
    }
    for (const auto list : {jail::calls_that_need_namespaces(), jail::calls_on_one_process(),
                            jail::calls_on_owned_files(), jail::calls_that_read_attributes()}) {
        for (const char* name : list) {
            INFO(name);
            CHECK(seen.count(name) == 1);  // an exception from something
        }
    }
    for (const char* name : {"mount", "unshare", "setns", "bpf", "ptrace", "keyctl", "kexec_load", "reboot",
                             "perf_event_open", "init_module", "open_by_handle_at", "process_vm_readv",
                             "pidfd_getfd", "kcmp", "fanotify_init", "seccomp", "iopl", "syslog"}) {
        INFO(name);
        CHECK(seen.count(name) == 0);
    }
}

TEST_CASE("no two jails without namespaces have one user") {
    const jail::IdRange two{0x7ffffff0, 2};
    UniqueFd first;
    UniqueFd second;
    UniqueFd third;
    const auto one = jail::take_unused_user(two, 5, first);
    const auto other = jail::take_unused_user(two, 5, second);
    REQUIRE(one.ok());
    REQUIRE(other.ok());
    CHECK(std::set<uid_t>{*one, *other} == std::set<uid_t>{0x7ffffff0, 0x7ffffff1});
    const auto none = jail::take_unused_user(two, 5, third);
    REQUIRE_FALSE(none.ok());
    CHECK(none.error().text().find("other sandboxes") != std::string::npos);
    const UniqueFd supervisors(::dup(second.get()));
    second.reset();
    CHECK_FALSE(jail::take_unused_user(two, 5, third).ok());  // still held, by a copy
    first.reset();
    const auto again = jail::take_unused_user(two, 5, third);
    REQUIRE(again.ok());
    CHECK(*again == *one);
    UniqueFd used;  // by this process
    CHECK_FALSE(jail::take_unused_user({::geteuid(), 1}, 0, used).ok());
}

TEST_CASE("text from inside a sandbox is made harmless") {
    CHECK(printable("a\x1b[31mb\x01 \xff\xc3\xa9\n\n") == "a?[31mb? ?\xc3\xa9");
    CHECK(printable("\xed\xa0\x80") == "???");  // a lone surrogate
    CHECK(printable("a\xc2\x9b"
                    "31m") == "a?31m");  // a terminal's one-character escape
    CHECK(printable(std::string(100000, 'x')).size() == 2000);
    CHECK(printable("").empty());
}

TEST_CASE("a failed step is told in words, with what to try") {
    jail::JailPlan plan;
    plan.arguments = {"/usr/bin/python3"};
    plan.files = jail::proc_steps();
    const auto error = jail::setup_error(plan, {jail::Step::file_step, 0, EBUSY});
    CHECK(error.text().find("make /proc") != std::string::npos);
    for (const auto& in_a_chroot : {jail::Failure{jail::Step::private_mounts, 0, EINVAL},
                                    jail::Failure{jail::Step::last_user_namespace, 0, EPERM}}) {
        CHECK(jail::setup_error(plan, in_a_chroot).text().find("In a chroot?") != std::string::npos);
    }
    CHECK(jail::setup_error(plan, {jail::Step::execute, 0, ENOENT}).text().find("/usr/bin/python3") !=
          std::string::npos);
    jail::FileStep overlay;
    overlay.kind = jail::FileStepKind::overlay;
    plan.files = {overlay};
    CHECK(jail::setup_error(plan, {jail::Step::file_step, 0, ENODEV}).text().find("modprobe overlay") !=
          std::string::npos);
}

TEST_CASE("a jail starts, and says how it ended") {
    if (!jails_work()) {
        return;
    }
    const CodeInJail exits("import sys; print('last words', file=sys.stderr); sys.exit(3)");
    CHECK(exits.read_all().empty());
    const std::string reason = exits.sandbox->death_reason();
    CHECK(reason.find("status 3") != std::string::npos);
    CHECK(reason.find("last words") != std::string::npos);
}

TEST_CASE("a jail starts while the host's other threads run and allocate") {
    if (!jails_work()) {
        return;
    }
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            while (!stop) {
                const std::string text(10000, 'x');
                const auto* home = std::getenv("HOME");
                std::this_thread::sleep_for(std::chrono::microseconds(home != nullptr ? 10 : text.size()));
            }
        });
    }
    for (int i = 0; i < 5; ++i) {
        const CodeInJail code("import os; os.write(3, b'up')");
        CHECK(code.read_all() == "up");
    }
    stop = true;
    for (auto& thread : threads) {
        thread.join();
    }
}

TEST_CASE("a jail that is killed ends its channel") {
    if (!jails_work()) {
        return;
    }
    const CodeInJail sleeps("import os, time; os.write(3, b'x'); time.sleep(600)");
    char byte = 0;
    pollfd wanted{sleeps.sandbox->warden_fd(), POLLIN, 0};
    REQUIRE(::poll(&wanted, 1, 20000) == 1);
    REQUIRE(::read(sleeps.sandbox->warden_fd(), &byte, 1) == 1);
    CHECK(sleeps.sandbox->death_reason().empty());
    sleeps.sandbox->kill();
    CHECK(sleeps.read_all().empty());
    CHECK(sleeps.sandbox->death_reason().find("SIGKILL") != std::string::npos);
}

TEST_CASE("a jail that writes without end neither blocks nor grows the host") {
    if (!jails_work()) {
        return;
    }
    const CodeInJail floods(
        "import os\nfor _ in range(20): os.write(2, b'x' * 65536)\nos.write(2, b'the end')");
    CHECK(floods.read_all().empty());
    const std::string reason = floods.sandbox->death_reason();
    CHECK(reason.size() < 4000);
    CHECK(reason.find("the end") != std::string::npos);
}

TEST_CASE("nothing of a jail's cgroups is left") {
    if (!jails_work()) {
        return;
    }
    std::vector<std::string> folders;
    {
        const Policy policy = builtin_policy();
        auto cgroup = jail::Cgroup::make(policy.limits);
        folders = cgroup.folders();
        cgroup.remove();
    }
    for (const auto& folder : folders) {
        CHECK_FALSE(fs::exists(folder));
    }
    if (folders.empty()) {
        WARN("skipped: this user can make no cgroups here");
    }
}

TEST_CASE("a jail has its descriptors and no others") {
    if (!jails_work()) {
        return;
    }
    const CodeInJail lists("import os\nos.write(3, ','.join(sorted(os.listdir('/proc/self/fd'))).encode())");
    // The last is that of the listing itself.
    CHECK(lists.read_all() == "0,1,2,3,4");
}

TEST_CASE("the list of fonts has a key of matplotlib's modules, and only this user's folder is shown") {
    const Folder folder;
    const Folder cache;
    ::setenv("XDG_CACHE_HOME", cache.path.c_str(), 1);
    const jail::PythonHome python{folder / "bin/python3", {folder.path}, {}};
    const std::string module = "lib/python3.99/site-packages/matplotlib/font_manager.py";
    const std::string without = jail::font_list_folder(python);
    folder.file(module, "a");
    const std::string first = jail::font_list_folder(python);
    CHECK(first.starts_with(cache / "cellblock/fonts/"));
    CHECK(first != without);
    CHECK(jail::font_list_folder(python) == first);
    CHECK(jail::made_font_list(python).empty());
    fs::create_directories(first);
    ::chmod(first.c_str(), 0755);
    CHECK(jail::made_font_list(python) == first);
    ::chmod(first.c_str(), 0775);
    CHECK(jail::made_font_list(python).empty());
    fs::rename(folder / module, folder / "old");
    folder.file(module, "b");
    CHECK(jail::font_list_folder(python) != first);
    ::unsetenv("XDG_CACHE_HOME");
}
