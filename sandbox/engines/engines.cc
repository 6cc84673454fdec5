// The engines there are.
#include <algorithm>

#include "sandbox/api/engine.h"
#include "sandbox/engines/command_engine.h"
#include "sandbox/engines/first_usable.h"
#include "sandbox/engines/native.h"
#include "sandbox/engines/pool_client.h"

namespace cellblock::sandbox {

std::vector<std::string> engine_names() {
    std::vector<std::string> names{"native"};
    for (auto& name : template_names()) {
        names.push_back(std::move(name));
    }
    return names;
}

Result<std::unique_ptr<Engine>> make_engine(const std::string& name) {
    if (name == "native") {
        return std::unique_ptr<Engine>(std::make_unique<NativeEngine>());
    }
    const auto names = engine_names();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
        std::string known;
        for (const auto& one : names) {
            known += (known.empty() ? "" : ", ") + one;
        }
        return Error{"engine \"" + name + "\"", 0, "there is no such engine",
                     "The policy's key \"engine\" can be: " + known};
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto read, load_template(name));
    return std::unique_ptr<Engine>(std::make_unique<CommandEngine>(std::move(read)));
}

Result<std::unique_ptr<Sandbox>> wait_for(PendingSandbox& pending) {
    auto taken = take_by_deadline(pending);
    return taken ? std::move(*taken) : pending.give_up();
}

Result<std::unique_ptr<Engine>> make_engine(const Policy& policy) {
    if (policy.further_engines.empty()) {
        return make_engine(policy.engine);
    }
    std::vector<std::unique_ptr<Engine>> all;
    auto names = policy.further_engines;
    names.insert(names.begin(), policy.engine);
    for (const auto& name : names) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto one, make_engine(name));
        all.push_back(std::move(one));
    }
    return std::unique_ptr<Engine>(std::make_unique<FirstUsable>(std::move(all)));
}

}  // namespace cellblock::sandbox
