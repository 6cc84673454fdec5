// The engines there are.
#include <poll.h>

#include <algorithm>

#include "sandbox/api/engine.h"
#include "sandbox/engines/command_engine.h"
#include "sandbox/engines/first_usable.h"
#include "sandbox/engines/native.h"

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
    auto read = load_template(name);
    if (!read) {
        return read.error();
    }
    return std::unique_ptr<Engine>(std::make_unique<CommandEngine>(std::move(*read)));
}

Result<std::unique_ptr<Sandbox>> arrival_of(Coming& coming) {
    while (true) {
        if (auto come = coming.take()) {
            return std::move(*come);
        }
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(coming.due() - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return coming.instead();
        }
        pollfd wanted{coming.fd(), POLLIN, 0};
        ::poll(&wanted, 1, static_cast<int>(left.count()));
    }
}

Result<std::unique_ptr<Engine>> make_engine(const Policy& policy) {
    if (policy.further_engines.empty()) {
        return make_engine(policy.engine);
    }
    std::vector<std::unique_ptr<Engine>> all;
    auto names = policy.further_engines;
    names.insert(names.begin(), policy.engine);
    for (const auto& name : names) {
        auto one = make_engine(name);
        if (!one) {
            return one.error();
        }
        all.push_back(std::move(*one));
    }
    return std::unique_ptr<Engine>(std::make_unique<FirstUsable>(std::move(all)));
}

}  // namespace cellblock::sandbox
