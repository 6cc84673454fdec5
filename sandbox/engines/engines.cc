// The engines there are.
#include "sandbox/engine.h"
#include "sandbox/engines/native.h"

namespace cellblock::sandbox {

Result<std::unique_ptr<Engine>> make_engine(const Policy& policy) {
    if (policy.engine == "native") {
        return std::unique_ptr<Engine>(std::make_unique<NativeEngine>());
    }
    return Error{"engine \"" + policy.engine + "\"", 0, "there is no such engine",
                 "The policy's key \"engine\" can be: native"};
}

}  // namespace cellblock::sandbox
