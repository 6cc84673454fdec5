// Patterns of files' names.
#include "sandbox/policy/keep_patterns.h"

#include <algorithm>
#include <array>

namespace cellblock::sandbox {

namespace {

constexpr auto kCouldRunLater = std::to_array<std::string_view>({
    // hidden: shells', editors' and tools' own
    ".*",
    // Python: modules, notebooks, what its start and its tools read, what unpickles
    "*.py",
    "*.pyw",
    "*.pyc",
    "*.pyo",
    "*.pyd",
    "*.pyx",
    "*.ipynb",
    "*.pth",
    "*.egg",
    "*.egg-link",
    "*.whl",
    "*.pkl",
    "*.pickle",
    "*.dill",
    "*.joblib",
    "*.pt",
    "*.ckpt",
    "*.cfg",
    "*.ini",
    "*.toml",
    "*.dist-info",
    "*.egg-info",
    "__pycache__",
    "site-packages",
    "pipfile",
    "matplotlibrc",
    "*requirements*.txt",
    "constraints*.txt",
    "jupyter*config.json",
    "ipython*config.json",
    "kernel.json",
    // scripts and pages
    "*.sh",
    "*.bash",
    "*.zsh",
    "*.fish",
    "*.csh",
    "*.ksh",
    "*.ps1",
    "*.bat",
    "*.cmd",
    "*.command",
    "*.vbs",
    "*.wsf",
    "*.hta",
    "*.js",
    "*.mjs",
    "*.cjs",
    "*.jsx",
    "*.ts",
    "*.tsx",
    "*.html",
    "*.htm",
    "*.xhtml",
    "*.mht",
    "*.php",
    "*.pl",
    "*.pm",
    "*.rb",
    "*.lua",
    "*.r",
    "*.rmd",
    "*.qmd",
    "*.rdata",
    "*.rds",
    "*.jl",
    "*.tcl",
    "*.el",
    "*.vim",
    "*.awk",
    // programs
    "*.exe",
    "*.com",
    "*.scr",
    "*.msi",
    "*.dll",
    "*.so",
    "*.so.*",
    "*.dylib",
    "*.elf",
    "*.bin",
    "*.run",
    "*.jar",
    "*.class",
    "*.war",
    "*.apk",
    "*.app",
    "*.appimage",
    "*.deb",
    "*.rpm",
    "*.snap",
    "*.flatpak",
    "*.dmg",
    "*.wasm",
    // desktops and documents with macros
    "*.desktop",
    "*.service",
    "*.timer",
    "*.socket",
    "*.lnk",
    "*.url",
    "*.reg",
    "*.inf",
    "*.xlsm",
    "*.xlsb",
    "*.docm",
    "*.pptm",
    "*.xlam",
    // what builds
    "makefile",
    "gnumakefile",
    "*.mk",
    "cmakelists.txt",
    "cmakepresets.json",
    "cmakeuserpresets.json",
    "*.cmake",
    "meson.build",
    "build.ninja",
    "*.gradle",
    "pom.xml",
    "rakefile",
    "gemfile",
    "jenkinsfile",
    "vagrantfile",
    "justfile",
    "snakefile",
    "dockerfile*",
    "containerfile*",
    "*compose*.yml",
    "*compose*.yaml",
    "node_modules",
    "package.json",
    "package-lock.json",
    "*.config.json",
    "angular.json",
    "devcontainer.json",
    "firebase.json",
    "lerna.json",
    "nodemon.json",
    "nx.json",
    "project.json",
    "turbo.json",
    "composer.json",
    "deno.json",
    "tsconfig.json",
    "*.code-workspace",
});

char small(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

// After a "*" that matched too little, one more byte goes to the latest one.
bool matches_pattern(std::string_view pattern, std::string_view name) {
    std::size_t p = 0;
    std::size_t n = 0;
    std::size_t star = std::string_view::npos;
    std::size_t after = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            after = n;
        } else if (p < pattern.size() && (pattern[p] == '?' || small(pattern[p]) == small(name[n]))) {
            ++p, ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++after;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool could_run_later(std::string_view name) {
    return std::any_of(kCouldRunLater.begin(), kCouldRunLater.end(),
                       [&](std::string_view one) { return matches_pattern(one, name); });
}

bool is_kept(const std::vector<std::string>& patterns, std::string_view name) {
    const bool could_run = could_run_later(name);
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
        return matches_pattern(pattern, name) && (!could_run || could_run_later(pattern));
    });
}

const std::vector<std::string>& usual_patterns() {
    static const std::vector<std::string> patterns{
        "*.csv",  "*.tsv", "*.parquet", "*.feather", "*.arrow", "*.json",   "*.jsonl",
        "*.xlsx", "*.txt", "*.md",      "*.png",     "*.jpg",   "*.jpeg",   "*.svg",
        "*.pdf",  "*.npy", "*.npz",     "*.h5",      "*.nc",    "*.geojson"};
    return patterns;
}

}  // namespace cellblock::sandbox
