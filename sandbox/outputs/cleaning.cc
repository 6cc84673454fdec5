// Tasks by their kind.
#include "sandbox/outputs/cleaning.h"

#include <utility>

#include "sandbox/base/json_text.h"
#include "sandbox/outputs/replies.h"

namespace cellblock::sandbox {

namespace {

using Kind = CleaningTask::Kind;

constexpr std::size_t kDepth = 128;

RawJson json_in(MimeItem& part) {
    auto* json = std::get_if<RawJson>(&part.value);
    return json != nullptr ? std::move(*json) : RawJson{};
}

MimeItem json_part(RawJson json) {
    return {"json", std::move(json)};
}

std::size_t parts_of(Kind kind) {
    switch (kind) {
        case Kind::display:
        case Kind::reply:
        case Kind::debug:
            return 1;
        case Kind::client_comm:
            return 0;
        case Kind::comm_open:
        case Kind::comm_message:
        case Kind::comm_close:
        case Kind::end:
            break;
    }
    return 2;
}

CommKind comm_kind(Kind kind) {
    return kind == Kind::comm_open    ? CommKind::open
           : kind == Kind::comm_close ? CommKind::close
                                      : CommKind::message;
}

}  // namespace

Cleaned CleaningRules::clean_display(CleaningTask task) const {
    Cleaned out;
    const RawJson metadata = json_in(task.parts.back());
    task.parts.pop_back();
    const bool had_some = !task.parts.empty();
    out.left_out = bundles_.admit(task.parts);
    comms_.leave_out_views(task.parts);
    if (task.parts.empty() && had_some && out.left_out.empty()) {
        task.parts.push_back({"text/plain", "[widget: not shown]"});
    }
    out.parts = std::move(task.parts);
    out.parts.push_back(json_part(inert_metadata(metadata)));
    return out;
}

Cleaned CleaningRules::clean_comm(CleaningTask task) {
    CommOutput message;
    message.kind = comm_kind(task.kind);
    message.comm_id = std::move(task.name);
    message.target_name = std::move(task.target);
    message.data = json_in(task.parts[0]);
    message.metadata = json_in(task.parts[1]);
    Cleaned out;
    out.refusal = comms_.refuse(message);
    out.parts.push_back(json_part(std::move(message.data)));
    out.parts.push_back(json_part(std::move(message.metadata)));
    return out;
}

Cleaned CleaningRules::clean(CleaningTask task) {
    if (task.parts.size() < parts_of(task.kind)) {
        return {{}, {}, {}, "a task without its parts"};
    }
    for (const auto& part : task.parts) {
        const auto* json = std::get_if<RawJson>(&part.value);
        if (json == nullptr) {
            continue;
        }
        if (const auto good = check_json(json->text, kDepth); !good) {
            return {{}, {}, {}, "a value that is " + good.error().message};
        }
    }
    Cleaned out;
    switch (task.kind) {
        case Kind::display:
            return clean_display(std::move(task));
        case Kind::comm_open:
        case Kind::comm_message:
        case Kind::comm_close:
            return clean_comm(std::move(task));
        case Kind::client_comm:
            comms_.opened_by_client(task.name, task.target);
            break;
        case Kind::reply:
            out.parts.push_back(json_part(inert_reply(json_in(task.parts[0]), bundles_)));
            break;
        case Kind::debug:
            out.parts.push_back(json_part(inert_debug_message(json_in(task.parts[0]), bundles_)));
            break;
        case Kind::end:
            out.parts.push_back(json_part(inert_expressions(json_in(task.parts[0]), bundles_)));
            out.parts.push_back(json_part(inert_payload(json_in(task.parts[1]), bundles_)));
            break;
    }
    return out;
}

}  // namespace cellblock::sandbox
