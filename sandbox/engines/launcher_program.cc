// Making, telling, serving.
#include "sandbox/engines/launcher_program.h"

#include "sandbox/base/resources.h"
#include "sandbox/engines/command_engine.h"
#include "sandbox/engines/start_stamp.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/relay/command.h"

namespace cellblock::sandbox::pool {

namespace {

Result<TemplateStart::Launch> make(const std::string& bytes) {
    const auto order = launch_order_from(bytes);
    if (!order) {
        return Error{"make a sandbox", 0, "the order can't be read", {}};
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto policy, parse_policy(order->policy, "the session's"));
    CELLBLOCK_ASSIGN_OR_RETURN(auto from,
                               parse_template(order->template_text, order->engine, order->template_file));
    const StartOptions options{order->directory, order->packages};
    CELLBLOCK_ASSIGN_OR_RETURN(auto made, CommandEngine(from).prepare(policy, options));
    // What it shows was looked for by name; it has to be what was ordered.
    const auto worker = python_directory();
    const auto stamp = worker ? stamp_of_start(from, policy, options, *worker) : worker;
    if (!stamp || *stamp != order->stamp) {
        relay::clear_away(made.spec);
        return stamp ? Error{"make a sandbox", 0, "what it is made of has changed meanwhile", {}}
                     : stamp.error();
    }
    return made;
}

}  // namespace

int launch_and_serve(UniqueFd order, UniqueFd warden, UniqueFd control, UniqueFd report) {
    const auto made = make(jail::plan_bytes_in(order.get()));
    if (!made) {
        (void)send_message(report.get(), kRefused + made.error().text().substr(0, relay::kMostReason));
        return jail::kLeftUnmade;
    }
    const LaunchReport parts{made->cgroup.to_bytes(), relay::to_bytes(relay::for_clearing(made->spec))};
    (void)send_message(report.get(), kGiven + to_bytes(parts));
    order.reset();
    report.reset();
    return static_cast<int>(relay::serve(made->spec, std::move(warden), std::move(control)));
}

}  // namespace cellblock::sandbox::pool
