// Box: one sandbox that a client of `cellblock serve` has created, with all that runs in it.
//
// Purpose: the session, its place in the loop, and the events' way to the part that asked. When a box is
// destroyed its sandbox is gone, and whatever waited for it was told.
//
// Owns its session. For the loop's thread. Nothing throws.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "kernel/e2b/executions.h"
#include "kernel/e2b/filesystem.h"
#include "kernel/e2b/processes.h"
#include "kernel/http/loop.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

// Names, tokens and times of a box.
struct BoxFacts {
    std::string id;
    std::string access_token;   // for files, processes and code
    std::string traffic_token;  // for the rest
    std::string template_name;
    nlohmann::json metadata;
    std::map<std::string, std::string> environment;
    std::chrono::system_clock::time_point started;
    std::chrono::steady_clock::time_point ends;
};

class Box {
public:
    // Called once with "" when the sandbox is ready, or with why there is none.
    using Ready = std::function<void(const std::string& fault)>;

    Box(Loop& loop, const sandbox::Policy& policy, const std::string& directory, BoxFacts facts, Ready ready);
    ~Box();
    Box(const Box&) = delete;
    Box& operator=(const Box&) = delete;

    BoxFacts& facts() { return facts_; }
    [[nodiscard]] const sandbox::Policy& policy() const { return session_.policy(); }
    [[nodiscard]] sandbox::SandboxUsage usage() const { return session_.usage(); }
    Executions& executions() { return executions_; }
    Processes& processes() { return processes_; }
    Filesystem& files() { return files_; }

private:
    void advance();
    void settle();
    void tick();
    [[nodiscard]] SessionPort port();

    BoxFacts facts_;
    Ready ready_;
    sandbox::Session session_;
    Executions executions_;
    Processes processes_;
    Filesystem files_;
    std::unique_ptr<Watch> watch_;
    std::unique_ptr<Watch> clock_;
};

}  // namespace cellblock::kernel
