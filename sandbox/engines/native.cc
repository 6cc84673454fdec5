// Starting a jail for cells.
#include "sandbox/engines/native.h"

#include "sandbox/engines/native_sandbox.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox {

Result<std::unique_ptr<Sandbox>> NativeEngine::start(const Policy& policy, const StartOptions& options) {
    const auto plan = [&](const jail::PythonHome& python, const std::string& worker, bool memory_is_limited) {
        return jail::build_plan(policy, options, python, worker, memory_is_limited);
    };
    return start_jail(policy, plan, &options);
}

}  // namespace cellblock::sandbox
