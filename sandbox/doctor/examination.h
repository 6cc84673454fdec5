// `cellblock doctor`'s examination of one policy on this host.
//
// Purpose: starts a real sandbox and tries every attempt in it. Which layers
// stand is asked of the engine; whether they hold is tried.
// Ownership: plain values; sandbox and traps are gone at return. Threads:
// blocks the caller, for some seconds. Failure: an Error where no sandbox is to
// be had, with the reason and the remedy.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sandbox/api/layers.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/doctor/attempts.h"

namespace cellblock::sandbox::doctor {

enum class Ending {
    stopped,
    not_promised,  // it got through, where a layer is missing that the policy doesn't require
    reached,       // it got through: a promise is broken
    not_tried,
};

struct Finding {
    const Attempt* attempt = nullptr;
    Ending ending = Ending::not_tried;
    std::string what;  // in words, printable
};

struct Examination {
    std::string python;  // its version
    std::vector<LayerState> layers;
    std::vector<Finding> findings;

    [[nodiscard]] bool promise_holds() const;
};

// `go_on` is called with each finding; false ends the examination.
Result<Examination> examine(const Policy& policy, const std::function<bool(const Finding&)>& go_on);

}  // namespace cellblock::sandbox::doctor
