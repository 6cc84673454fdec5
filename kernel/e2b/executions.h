// Executions: code that runs in one box, its contexts, and its outputs as E2B's clients read them.
//
// Purpose: `/execute` and `/contexts` of E2B's protocol. Executions of all contexts of a box run one after
// another. An execution's reply is a row of lines, each a JSON object; if its client closes the connection,
// the code is interrupted, and killed where it goes on.
//
// Refers to the box's session, which outlives it. For the loop's thread. Nothing throws.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/e2b/port.h"
#include "kernel/http/message.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"

namespace cellblock::kernel {

// The types of output that only these clients' cells have: a table's columns, and a figure's chart.
constexpr std::string_view kDataType = "e2b/data";
constexpr std::string_view kChartType = "e2b/chart";
// Adds these types to those that the policy shows, if it shows JSON.
void show_data(sandbox::Policy& policy);

class Executions {
public:
    static constexpr std::size_t kMostWaiting = 64;
    static constexpr std::size_t kMostContexts = 32;

    explicit Executions(SessionPort port);

    void execute(const nlohmann::json& request, const std::shared_ptr<HttpReply>& reply);
    void list_contexts(HttpReply& reply) const;
    void make_context(const nlohmann::json& request, HttpReply& reply);
    // Its variables are gone; what runs in it is interrupted.
    void restart_context(const std::string& id, HttpReply& reply);
    void remove_context(const std::string& id, HttpReply& reply);

    // The session's events; what is none of this part's is left alone.
    void on(const sandbox::Event& event);
    // Begins what waits. After each Session::advance().
    void begin_next();
    // The box calls this once a second. Clients are told that their code still runs; code whose client has
    // gone is interrupted again.
    void tick();
    // Closes the connections of all replies, as the sandbox is gone.
    void end();

private:
    struct Context {
        std::string name;  // the worker's; "": the session's own variables
        std::string directory;
        int count = 0;  // executions so far
    };
    struct Execution {
        std::shared_ptr<HttpReply> reply;
        std::string code;
        std::string context;  // its id
        nlohmann::json environment;
        bool is_abandoned = false;
        int quiet_seconds = 0;
    };

    void abandon(const HttpReply* reply);
    // Ends what runs or waits in a context. Null: there is no such context, and the client was told.
    Context* end_context(const std::string& id, HttpReply& reply);
    void interrupt_in(const std::string& context);
    void forget(const Context& context);
    void say(const std::string& line);
    void on_display(const sandbox::DisplayOutput& output);
    void on_done(const sandbox::Outcome& outcome);

    SessionPort port_;
    std::map<std::string, Context> contexts_;
    std::string default_;            // its id
    std::vector<std::string> gone_;  // names of contexts that the worker may forget
    int last_name_ = 0;
    std::deque<Execution> executions_;  // the first one runs
    std::optional<sandbox::CellId> running_;
};

}  // namespace cellblock::kernel
