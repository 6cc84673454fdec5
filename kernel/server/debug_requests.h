// Debug requests and events: JupyterLab's debugger.
//
// Purpose: gives each debug_request to the session and answers the client when the debugger's reply comes.
// Nobody waits for the reply, so a cell may run or be stopped at a breakpoint meanwhile.
//
// Refers to session and publisher, which must live longer. Main thread only. Where the sandbox gives no
// reply, the session makes one.
#pragma once

#include <map>

#include "kernel/jupyter/publisher.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

class DebugRequests {
public:
    DebugRequests(sandbox::Session& session, Publisher& publisher)
        : session_(session), publisher_(publisher) {}

    // Publishes `busy` and asks the debugger. The reply and `idle` follow from on(DebugReply).
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
    std::string parent_ = "{}";  // the header of the latest request, which is the parent of events
};

}  // namespace cellblock::kernel
