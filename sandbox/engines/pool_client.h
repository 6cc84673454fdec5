// One question to the daemon, and a daemon where there is none.
//
// Purpose: what claims of all engines have in common: is it wanted, who is asked,
// what is answered. A daemon that isn't there is started for the next time.
// Ownership: of what is given. Threads: other threads may run meanwhile.
// Failure: why it has to be a cold start, or why there may be no sandbox at all.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/channel/worker_sockets.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/pool/protocol.h"

namespace cellblock::sandbox::pool {

// Whether the policy, or else $CELLBLOCK_DAEMON (1 or 0), wants sandboxes from it.
bool is_wanted(const Policy& policy);

struct ColdStart {
    std::string reason;
};
struct NoneMore {
    Error error;
};

// A sandbox that was given. Its supervisor or relay is nobody's child here; its pidfd tells its end.
struct GivenSandbox {
    pid_t supervisor = -1;
    UniqueFd process;
    UniqueFd control;
    UniqueFd warden;
    WorkerSockets worker;  // of a worker that is up, or will be
    jail::Cgroup cgroup;
    std::string spec;
};
using Answer = std::variant<GivenSandbox, ColdStart, NoneMore>;

// A question that was asked.
class Claim {
public:
    // `plan` goes beside it.
    Claim(const Policy& policy, const Request& request, const std::string& plan);
    // Nobody is asked, and take() tells why. So it does where the other one fails.
    explicit Claim(Error failure) : failure_(std::move(failure)) {}

    // Readable once there is something to take; invalid where nobody was asked.
    [[nodiscard]] int fd() const { return daemon_.get(); }

    // Without waiting. Nothing: it isn't answered yet.
    std::optional<Answer> take();

    // The daemon says soon whether the claim has to wait; then it waits for the policy's limits.start_time.
    [[nodiscard]] std::chrono::steady_clock::time_point due() const { return due_; }
    [[nodiscard]] static ColdStart too_late();

private:
    UniqueFd daemon_;
    std::optional<Error> failure_;
    std::chrono::milliseconds start_time_{};
    std::chrono::steady_clock::time_point due_{};
};

// Waits for it.
Answer answer_to(Claim& claim);

// What all claims say of a policy.
Recipe recipe_for(const Policy& policy, bool can_stand_in);

}  // namespace cellblock::sandbox::pool
