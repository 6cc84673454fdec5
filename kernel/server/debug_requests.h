// debug_request and debug_event: JupyterLab's debugger.
//
// Purpose: gives requests to the session and answers each when its reply comes;
// nobody waits for it, so a cell may be running or stopped meanwhile.
// Ownership: refers to session and publisher, which outlive it. Threads: the main
// thread. Failure: the session makes a reply where the sandbox gives none.
#pragma once

#include <map>

#include "kernel/jupyter/publisher.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

class DebugRequests {
public:
    DebugRequests(sandbox::Session& session, Publisher& publisher)
        : session_(session), publisher_(publisher) {}

    void begin(const Message& request, Channel channel);
    void on(sandbox::DebugReply reply);
    void on(sandbox::DebugEvent event);

private:
    struct Pending {
        Message request;  // what its reply and `idle` need of it
        Channel channel = Channel::control;
    };

    sandbox::Session& session_;
    Publisher& publisher_;
    std::map<sandbox::DebugId, Pending> pending_;
    std::string parent_ = "{}";  // the header of the latest request: events belong to its client
};

}  // namespace cellblock::kernel
