// The comm target `cellblock.files`: clients write, read, list, make, move and remove files of the sandbox.
//
// Purpose: answers such comms on the host's side; the worker never sees them, so they are answered while a
// cell runs as well, on the control channel at once. kernel/clients.md has the messages. A request is
// answered from `busy` to `idle` by one comm_msg.
//
// Refers to session and publisher, which must live longer. Main thread only. What can't be understood or done
// is answered with an error.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "kernel/jupyter/publisher.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

class FileComms {
public:
    static constexpr const char* kTarget = "cellblock.files";
    static constexpr std::size_t kMostOpen = 100;

    FileComms(sandbox::Session& session, Publisher& publisher) : session_(session), publisher_(publisher) {}

    // A comm message for a comm of this target.
    [[nodiscard]] bool is_for(const Message& request) const;
    [[nodiscard]] bool is_open(const std::string& comm_id) const { return open_.contains(comm_id); }
    // Publishes `busy` and asks the session. The answer and `idle` follow from on(FileReply), or have been
    // published at return: then the id is 0.
    sandbox::FileId begin(const Message& request);
    void on(const sandbox::FileReply& reply);
    [[nodiscard]] bool is_pending(sandbox::FileId id) const { return pending_.contains(id); }
    // A comm_info_reply's content, with these comms in it.
    [[nodiscard]] std::string with_open_comms(std::string content) const;

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
    std::set<std::string> open_;  // ids of comms
    std::map<sandbox::FileId, Pending> pending_;
};

}  // namespace cellblock::kernel
