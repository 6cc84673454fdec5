// `cellblock audit verify`: tells whether an audit log is as it was written.
#include <iostream>

#include "kernel/cli/commands.h"
#include "sandbox/audit/verify.h"

namespace cellblock::kernel {

int audit_verify_command(const AuditOptions& options) {
    constexpr int kFound = 1;
    constexpr int kUnreadable = 2;
    const auto verdict = sandbox::verify_audit(options.path, options.head);
    if (!verdict) {
        std::cerr << "cellblock audit: " << verdict.error().text() << "\n";
        return kUnreadable;
    }
    for (const auto& finding : verdict->findings) {
        std::cout << options.path << ":" << finding.line << ": " << finding.what << "\n";
    }
    std::cout
        << verdict->lines << " lines, the last has the digest " << verdict->head << "\n"
        << (verdict->findings.empty()
                ? "The chain is whole. That no lines are missing at the end is known only if this digest was "
                  "kept elsewhere (--head).\n"
                : "The log is not as it was written.\n");
    return verdict->findings.empty() ? 0 : kFound;
}

}  // namespace cellblock::kernel
