// The comm target `cellblock.commands`: clients run programs in the sandbox beside its cells.
//
// A request to run one is answered from `busy` to `idle` by a comm_msg for each piece of output, and a last
// one (comm_target.h); requests that give it input or signals are for its `id`. A comm's end is that of its
// commands.
//
// Refers to session and publisher, which must live longer. Main thread only. What can't be understood or done
// is answered with an error.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "kernel/jupyter/publisher.h"
#include "kernel/server/comm_target.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

class CommandComms {
public:
    CommandComms(sandbox::Session& session, Publisher& publisher)
        : session_(session), publisher_(publisher), target_("cellblock.commands", publisher) {}

    [[nodiscard]] const CommTarget& target() const { return target_; }
    void begin(const Message& request);
    void on(sandbox::CommandOutput output);
    void on(const sandbox::CommandWantsInput& wants);
    void on(const sandbox::CommandDone& done);

private:
    struct Running {
        std::string comm;
        std::string parent;  // the header of the request that began it
        std::string id;      // as the client gave it, JSON text
    };

    // False: it has begun a command, whose end is the request's.
    bool is_over_after(const Message& request);
    std::string run(CommMembers& members, const Running& asked);
    std::string give(CommMembers& members, const std::string& deed, sandbox::CommandId command,
                     const Frames& buffers);
    [[nodiscard]] sandbox::CommandId find(const std::string& comm, const std::string& id) const;
    void tell(const Running& command, nlohmann::json data, Frames buffers = {}) const;

    sandbox::Session& session_;
    Publisher& publisher_;
    CommTarget target_;
    std::map<sandbox::CommandId, Running> running_;
};

}  // namespace cellblock::kernel
