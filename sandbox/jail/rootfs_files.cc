// The system's part of a jail's root.
#include "sandbox/jail/rootfs_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "sandbox/jail/font_list.h"

namespace cellblock::sandbox::jail {

namespace {

using Kind = FileStepKind;

FileStep make(Kind kind, std::string target, std::string source = {}, std::string text = {}) {
    FileStep step;
    step.kind = kind;
    step.target = std::move(target);
    step.source = std::move(source);
    step.text = std::move(text);
    return step;
}

// Shows the host's `path` at the same place, if there is one.
void show(std::vector<FileStep>& steps, const std::string& path) {
    const auto chain = follow_links(path);
    struct stat info {};
    if (!chain || ::stat(chain->real.c_str(), &info) != 0) {
        return;
    }
    FileStep step = make(Kind::bind, path.substr(1), chain->real);
    step.is_file = !S_ISDIR(info.st_mode);
    steps.push_back(std::move(step));
}

// A folder of the host's root: a link stays one, a folder is shown.
void show_root_folder(std::vector<FileStep>& steps, const std::string& path) {
    std::error_code failed;
    const auto text = std::filesystem::read_symlink(path, failed);
    if (failed) {
        show(steps, path);
    } else {
        steps.push_back(make(Kind::link, path.substr(1), {}, text.string()));
    }
}

// The home folder of other services' sandboxes: code that was written for them names it.
constexpr const char* kUsualHome = "/home/user";

constexpr const char* kPasswd =
    "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
    "cell:x:1000:1000:cell:/home/cell:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
constexpr const char* kGroup = "root:x:0:\ncell:x:1000:\nnogroup:x:65534:\n";
constexpr const char* kHosts = "127.0.0.1 localhost cellblock\n::1 localhost\n";
constexpr const char* kNameService =
    "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n";

// What programs read of /proc beside their own processes. Files that a newer kernel brings aren't here, so
// they are hidden.
constexpr auto kShownOfProc = std::to_array<std::string_view>({
    "cgroups",     "cpuinfo",    "diskstats", "filesystems", "loadavg", "locks",    "meminfo", "mounts",
    "net",         "partitions", "pressure",  "self",        "stat",    "swaps",    "sys",     "sysvipc",
    "thread-self", "tty",        "uptime",    "version",     "vmstat",  "zoneinfo",
});

// Hidden too where the host's own /proc can't be listed, or gets them later.
constexpr auto kNeverShownFiles = std::to_array<const char*>({
    "kcore",    "keys",    "key-users",     "sysrq-trigger", "timer_list",   "timer_stats", "sched_debug",
    "kallsyms", "kmsg",    "latency_stats", "config.gz",     "kpagecount",   "kpageflags",  "kpagecgroup",
    "iomem",    "ioports", "slabinfo",      "vmallocinfo",   "pagetypeinfo", "mtrr",        "interrupts",
    "softirqs", "modules", "cmdline",       "bootconfig",    "allocinfo",
});
constexpr auto kNeverShownFolders = std::to_array<const char*>({
    "acpi",
    "asound",
    "bus",
    "driver",
    "dynamic_debug",
    "fs",
    "irq",
    "scsi",
});

bool is_number(const std::string& name) {
    return name.find_first_not_of("0123456789") == std::string::npos;
}

void add_unknown(std::map<std::string, bool>& names) {
    std::error_code failed;
    for (std::filesystem::directory_iterator one("/proc", failed), end; !failed && one != end;
         one.increment(failed)) {
        const std::string name = one->path().filename().string();
        std::error_code unknown;
        if (is_number(name) ||
            std::find(kShownOfProc.begin(), kShownOfProc.end(), name) != kShownOfProc.end() ||
            one->is_symlink(unknown)) {
            continue;
        }
        names.try_emplace(name, !one->is_directory(unknown));
    }
}

}  // namespace

std::vector<FileStep> system_steps(const OwnFiles& own) {
    std::vector<FileStep> steps;
    show(steps, "/usr");
    for (const char* path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
        show_root_folder(steps, path);
    }
    for (const char* path :
         {"/etc/ld.so.cache",     "/etc/ld.so.conf", "/etc/ld.so.conf.d",    "/etc/alternatives",
          "/etc/localtime",       "/etc/timezone",   "/etc/fonts",           "/etc/mime.types",
          "/etc/matplotlibrc",    "/etc/ssl/certs",  "/etc/ssl/openssl.cnf", "/etc/services",
          "/etc/protocols",       "/etc/python3",    "/etc/python3.11",      "/etc/python3.12",
          "/etc/python3.13",      "/etc/python3.14", "/etc/magic",           "/etc/ImageMagick-6",
          "/var/cache/fontconfig"}) {
        show(steps, path);
    }
    steps.push_back(make(Kind::text_file, "etc/passwd", {}, kPasswd));
    steps.push_back(make(Kind::text_file, "etc/group", {}, kGroup));
    steps.push_back(make(Kind::text_file, "etc/hosts", {}, kHosts));
    steps.push_back(make(Kind::text_file, "etc/hostname", {}, "cellblock\n"));
    steps.push_back(make(Kind::text_file, "etc/nsswitch.conf", {}, kNameService));
    steps.push_back(make(Kind::text_file, "etc/resolv.conf"));
    steps.push_back(make(Kind::link, "etc/mtab", {}, "/proc/self/mounts"));
    steps.push_back(make(Kind::bind, kWardenInside + 1, own.warden));
    steps.back().is_file = true;
    steps.back().give_owner = true;
    steps.push_back(make(Kind::bind, kPythonInside + 1, own.python));
    steps.back().give_owner = true;
    return steps;
}

std::vector<FileStep> builder_system_steps(const OwnFiles& own, const BuilderJob& job) {
    auto steps = system_steps(own);
    if (!job.network) {
        return steps;
    }
    std::erase_if(steps, [](const FileStep& step) {
        return step.target == "etc/hosts" || step.target == "etc/resolv.conf" ||
               step.target == "etc/nsswitch.conf";
    });
    show(steps, "/etc/hosts");
    show(steps, "/etc/resolv.conf");
    steps.push_back(make(Kind::text_file, "etc/nsswitch.conf", {}, "passwd: files\nhosts: files dns\n"));
    return steps;
}

std::vector<FileStep> builder_steps(const BuilderJob& job) {
    std::vector<FileStep> steps;
    if (!job.wheel.empty()) {
        steps.push_back(make(Kind::bind, "wheel/" + job.wheel_name, job.wheel));
        steps.back().is_file = true;
        steps.back().label = "a wheel";
    }
    if (!job.certificates.empty()) {
        steps.push_back(make(Kind::bind, "etc/cellblock-ca.pem", job.certificates));
        steps.back().is_file = true;
        steps.back().label = "the certificates " + job.certificates;
    }
    return steps;
}

std::vector<FileStep> zygote_steps(const std::string& library) {
    std::vector<FileStep> steps{make(Kind::bind, kLibraryInside + 1, library)};
    steps.back().is_file = true;
    steps.back().give_owner = true;
    return steps;
}

void show_for_nesting(std::vector<FileStep>& steps) {
    // Linux mounts a new proc only where a whole one is seen already, and mounts on it count as parts that
    // are hidden; so there is one where nobody gets to. In /proc/sys forks find their own namespaces'
    // settings.
    std::erase_if(steps, [](const FileStep& step) { return step.target == "proc/sys"; });
    steps.push_back(make(Kind::proc, "opt/cellblock/proc/whole"));
    steps.push_back(make(Kind::mask, "opt/cellblock/proc"));
}

FileStep packages_step(const std::string& folder) {
    FileStep step = make(Kind::bind, "packages", folder);
    step.label = "installed packages";
    return step;
}

FileStep font_list_step(const std::string& folder) {
    FileStep step = make(Kind::bind, kFontListInside + 1, folder);
    step.label = "matplotlib's list of fonts";
    return step;
}

std::vector<FileStep> scratch_steps() {
    return {
        make(Kind::scratch, "tmp", {}, "tmp"),        make(Kind::scratch, "var/tmp", {}, "var-tmp"),
        make(Kind::scratch, "home/cell", {}, "home"), make(Kind::scratch, "work", {}, "work"),
        make(Kind::scratch, "dev/shm", {}, "shm"),
    };
}

std::vector<FileStep> link_steps(const std::vector<FileStep>& rules) {
    const bool is_taken = std::any_of(rules.begin(), rules.end(), [](const FileStep& rule) {
        return is_inside("/" + rule.target, kUsualHome);
    });
    return is_taken ? std::vector<FileStep>()
                    : std::vector<FileStep>{make(Kind::link, kUsualHome + 1, {}, kWorkingDirectory)};
}

std::vector<FileStep> device_steps() {
    std::vector<FileStep> steps;
    for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
        FileStep step = make(Kind::bind, std::string("dev/") + name, std::string("/dev/") + name);
        step.is_file = true;
        step.device = true;
        step.optional = std::string_view(name) == "tty";
        steps.push_back(std::move(step));
    }
    steps.push_back(make(Kind::devpts, "dev/pts"));
    steps.push_back(make(Kind::link, "dev/ptmx", {}, "pts/ptmx"));
    steps.push_back(make(Kind::link, "dev/fd", {}, "/proc/self/fd"));
    steps.push_back(make(Kind::link, "dev/stdin", {}, "/proc/self/fd/0"));
    steps.push_back(make(Kind::link, "dev/stdout", {}, "/proc/self/fd/1"));
    steps.push_back(make(Kind::link, "dev/stderr", {}, "/proc/self/fd/2"));
    return steps;
}

const std::map<std::string, bool>& hidden_of_proc() {
    static const std::map<std::string, bool> hidden = [] {
        std::map<std::string, bool> names;
        for (const char* name : kNeverShownFiles) {
            names[name] = true;
        }
        for (const char* name : kNeverShownFolders) {
            names[name] = false;
        }
        add_unknown(names);
        return names;
    }();
    return hidden;
}

std::vector<FileStep> proc_steps() {
    std::vector<FileStep> steps{make(Kind::proc, "proc")};
    steps.push_back(make(Kind::protect, "proc/sys"));
    steps.back().optional = true;
    for (const auto& [name, is_file] : hidden_of_proc()) {
        steps.push_back(make(Kind::mask, "proc/" + name));
        steps.back().optional = true;
        steps.back().is_file = is_file;
    }
    return steps;
}

std::vector<FileStep> python_steps(const PythonHome& python) {
    std::vector<FileStep> steps;
    for (const auto& prefix : python.prefixes) {
        FileStep step = make(Kind::bind, prefix.substr(1), prefix);
        step.give_owner = true;
        step.label = "Python's prefix " + prefix;
        steps.push_back(std::move(step));
    }
    for (const auto& link : python.links) {
        bool there = is_inside(link.path, "/usr");
        for (const auto& prefix : python.prefixes) {
            there = there || is_inside(link.path, prefix);
        }
        for (const auto& earlier : steps) {
            there = there || "/" + earlier.target == link.path;
        }
        for (const char* root : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
            there = there || link.path == root;
        }
        if (!there) {
            steps.push_back(make(Kind::link, link.path.substr(1), {}, link.text));
        }
    }
    return steps;
}

}  // namespace cellblock::sandbox::jail
