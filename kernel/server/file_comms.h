// The comm target `cellblock.files`: clients write, read, list, make, move and remove files of the sandbox.
//
// A request is answered from `busy` to `idle` by one comm_msg (comm_target.h).
//
// Refers to session and publisher, which must live longer. Main thread only. What can't be understood or done
// is answered with an error.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "kernel/jupyter/publisher.h"
#include "kernel/server/comm_target.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

class FileComms {
public:
    FileComms(sandbox::Session& session, Publisher& publisher)
        : session_(session), publisher_(publisher), target_("cellblock.files", publisher) {}

    [[nodiscard]] const CommTarget& target() const { return target_; }
    // Publishes `busy` and asks the session. The answer and `idle` follow from on(FileReply), or have been
    // published at return: then the id is 0.
    sandbox::FileId begin(const Message& request);
    void on(const sandbox::FileReply& reply);
    [[nodiscard]] bool is_pending(sandbox::FileId id) const { return pending_.contains(id); }

private:
    struct Pending {
        std::string comm;
        std::string parent;       // the request's header
        std::string id = "null";  // as the client gave it, JSON text
        bool has_bytes = false;   // the answer has a buffer
        bool has_facts = false;   // size and time
        bool has_entries = false;
    };

    sandbox::FileId ask(const Message& request);
    void answer(const Pending& asked, nlohmann::json data, Frames buffers = {});

    sandbox::Session& session_;
    Publisher& publisher_;
    CommTarget target_;
    std::map<sandbox::FileId, Pending> pending_;
};

}  // namespace cellblock::kernel
