// `cellblock policy`: checks and prints policies.
#include "sandbox/api/policy.h"

#include <iostream>

#include "kernel/cli/commands.h"
#include "kernel/cli/policy_findings.h"

namespace cellblock::kernel {

namespace {

constexpr int kBadPolicy = 1;
constexpr const char* kSubject = "cellblock policy: ";

// On stderr, so that the document can be piped into a file.
void print_shares(const sandbox::Policy& policy) {
    if (const std::string words = sandbox::shares_in_words(policy); !words.empty()) {
        std::cerr << kSubject << "on this machine " << words << "\n";
    }
}

int refuse(const sandbox::Error& error) {
    std::cerr << kSubject << error.text() << "\n";
    return kBadPolicy;
}

}  // namespace

int policy_check_command(const std::string& file) {
    // A word without a slash means a file in this folder, so that `policy check mine` works.
    const bool is_path = file.find('/') != std::string::npos;
    auto policy = sandbox::load_policy(is_path ? file : "./" + file);
    if (!policy) {
        return refuse(policy.error());
    }
    print_notices(kSubject, *policy);
    const auto found = findings_in(*policy);
    for (const auto& finding : found) {
        std::cerr << kSubject << "policy " << file << ": " << finding.text() << "\n";
    }
    if (!found.empty()) {
        return kBadPolicy;
    }
    for (const auto& warning : warnings_of(*policy)) {
        std::cerr << kSubject << "policy " << file << ": warning: " << warning.text() << "\n";
    }
    std::cout << file << ": a policy that cellblock understands. With its defaults filled in:\n"
              << sandbox::policy_to_json(*policy) << std::flush;
    print_shares(*policy);
    return 0;
}

int policy_show_command(const std::string& name_or_path) {
    auto policy = sandbox::load_policy(name_or_path);
    if (!policy) {
        return refuse(policy.error());
    }
    print_notices(kSubject, *policy);
    std::cout << sandbox::policy_to_json(*policy) << std::flush;
    print_shares(*policy);
    return 0;
}

int policy_prompt_command(const std::string& name_or_path) {
    auto policy = sandbox::load_policy(name_or_path);
    if (!policy) {
        return refuse(policy.error());
    }
    print_notices(kSubject, *policy);
    std::cout << sandbox::policy_prompt(*policy);
    return 0;
}

int policy_reference_command() {
    std::cout << sandbox::policy_reference_markdown();
    return 0;
}

}  // namespace cellblock::kernel
