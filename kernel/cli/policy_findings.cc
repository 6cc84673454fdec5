#include "kernel/cli/policy_findings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <iostream>
#include <string_view>

#include "sandbox/api/engine.h"
#include "sandbox/engines/template.h"
#include "sandbox/jail/file_rules.h"
#include "sandbox/jail/left_out.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/network/secrets.h"
#include "sandbox/policy/keep_patterns.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

std::vector<std::string> engines_of(const Policy& policy) {
    auto names = policy.further_engines;
    names.insert(names.begin(), policy.engine);
    return names;
}

void find_engines(const Policy& policy, std::vector<Error>& found) {
    const auto known = engine_names();
    for (const auto& name : engines_of(policy)) {
        if (std::find(known.begin(), known.end(), name) != known.end()) {
            continue;
        }
        const std::string meant = nearest(name, known);
        found.push_back(
            {"engine", 0,
             "there is no engine \"" + name + "\"" + (meant.empty() ? "" : "; did you mean " + meant + "?"),
             meant.empty() ? "`cellblock engines` lists them" : ""});
    }
}

// Whether each of the policy's engines runs the host's Python.
bool runs_hosts_python(const Policy& policy) {
    const auto names = engines_of(policy);
    return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        const auto from = name == "native" ? Result<EngineTemplate>(Error{}) : load_template(name);
        return name == "native" || (from && from->host_files && from->image.empty() && policy.image.empty());
    });
}

void find_files(const Policy& policy, std::vector<Error>& found) {
    for (std::size_t i = 0; i < policy.files.size(); ++i) {
        const FileRule& rule = policy.files[i];
        const bool is_absolute = rule.host.starts_with('/');
        auto step = is_absolute ? jail::file_rule_steps({rule}, "/", {}) : std::vector<jail::FileStep>{};
        if (!step) {
            Error error = step.error();
            if (error.step.starts_with("files[0]")) {
                error.step.replace(6, 1, std::to_string(i));
            }
            found.push_back(std::move(error));
        }
    }
}

void warn_of_kept(const Policy& policy, std::vector<Error>& warnings) {
    for (std::size_t i = 0; i < policy.files.size(); ++i) {
        const auto keep = policy.files[i].keep.value_or(KeepRules{});
        for (const auto& pattern : keep.patterns) {
            if (could_run_later(pattern)) {
                warnings.push_back({"files[" + std::to_string(i) + "].keep.patterns", 0,
                                    "\"" + pattern + "\" keeps files that could run on this machine later",
                                    "Take it out, unless you read such files before you use them"});
            }
        }
    }
}

void warn_of_keys(const Policy& policy, std::vector<Error>& warnings) {
    for (std::size_t i = 0; i < policy.files.size(); ++i) {
        if (jail::is_key_path(policy.files[i].host)) {
            warnings.push_back({"files[" + std::to_string(i) + "].host", 0,
                                "cells can read " + policy.files[i].host + ", which is a key by its name",
                                "Take it out, unless cells need it"});
        }
    }
}

// By the words that people name such variables with.
bool is_secret_name(const std::string& name) {
    constexpr auto kWords =
        std::to_array<std::string_view>({"SECRET", "TOKEN", "PASSWORD", "PASSWD", "API_KEY", "APIKEY",
                                         "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL"});
    std::string large = name;
    std::transform(large.begin(), large.end(), large.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return std::any_of(kWords.begin(), kWords.end(),
                       [&](std::string_view word) { return large.find(word) != std::string::npos; });
}

// Then the variable is a text for libraries that insist on one (policy/policy.cc sees to that).
bool is_kept_outside(const NetworkRules& rules, const std::string& secret) {
    return std::any_of(rules.allow.begin(), rules.allow.end(), [&](const HostRule& rule) {
        return std::any_of(rule.headers.begin(), rule.headers.end(),
                           [&](const SecretHeader& header) { return header.secret == secret; });
    });
}

void warn_of_variables(const Policy& policy, std::vector<Error>& warnings) {
    for (const auto& rule : policy.environment) {
        if (is_secret_name(rule.name) && !is_kept_outside(policy.network, rule.name)) {
            warnings.push_back({"environment." + rule.name, 0,
                                "cells can read this variable, which is a secret by its name",
                                "Take it out, unless cells need it"});
        }
    }
}

void warn_of_network(const Policy& policy, std::vector<Error>& warnings) {
    for (std::size_t i = 0; i < policy.network.allow.size(); ++i) {
        const HostRule& rule = policy.network.allow[i];
        const std::string place = "network.allow[" + std::to_string(i) + "]";
        if (rule.host.empty()) {
            warnings.push_back({place, 0, "cells can send what they can read to any host",
                                "Name the hosts that cells need"});
        } else if (rule.host == "169.254.169.254" || rule.host == "fd00:ec2::254") {
            warnings.push_back({place, 0, "cells can ask the cloud for this machine's credentials there",
                                "Take it out, unless cells need it"});
        }
        for (const auto& header : rule.headers) {
            if (const auto secret = network::read_secret(header.secret); !secret) {
                warnings.push_back(
                    {place + ".header." + header.name, 0,
                     "the secret " + header.secret + " isn't to be had now: " + secret.error().message,
                     secret.error().remedy});
            }
        }
    }
    if (!policy.network.any() && !policy.network.deny.empty()) {
        warnings.push_back({"network.deny", 0, "it denies nothing, as nothing is allowed",
                            "Name what is allowed in network.allow"});
    }
}

}  // namespace

std::vector<Error> findings_in(const Policy& policy) {
    std::vector<Error> found;
    find_engines(policy, found);
    if (!policy.python.empty() && runs_hosts_python(policy)) {
        if (auto python = jail::find_python(policy.python); !python) {
            Error error = python.error();
            error.step = "python: " + error.step;
            found.push_back(std::move(error));
        }
    }
    find_files(policy, found);
    if (policy.debugger && !offers_debugger(policy)) {
        found.push_back({"debugger", 0,
                         "there will be none, as the audit log couldn't tell what a debugger evaluates",
                         "Set \"debugger\" to false, or take \"audit\" out"});
    }
    return found;
}

std::vector<Error> warnings_of(const Policy& policy) {
    std::vector<Error> warnings;
    warn_of_keys(policy, warnings);
    warn_of_variables(policy, warnings);
    warn_of_kept(policy, warnings);
    warn_of_network(policy, warnings);
    return warnings;
}

void print_notices(const std::string& subject, const Policy& policy) {
    for (const auto& notice : policy.notices) {
        std::cerr << subject << notice << "\n";
    }
}

}  // namespace cellblock::kernel
