// Tasks and answers as frames.
#include "sandbox/outputs/cleaner_frames.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sandbox/base/json_text.h"
#include "sandbox/base/text.h"
#include "sandbox/channel/fields.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;
using Kind = CleaningTask::Kind;

constexpr std::size_t kJsonDepth = 160;  // what the rules put around a value is more than a sandbox may
constexpr auto kKinds = std::to_array<std::pair<const char*, Kind>>({{"display", Kind::display},
                                                                     {"comm_open", Kind::comm_open},
                                                                     {"comm_message", Kind::comm_message},
                                                                     {"comm_close", Kind::comm_close},
                                                                     {"client_comm", Kind::client_comm},
                                                                     {"reply", Kind::reply},
                                                                     {"debug", Kind::debug},
                                                                     {"end", Kind::end}});

const char* name_of_kind(Kind kind) {
    for (const auto& [name, one] : kKinds) {
        if (one == kind) {
            return name;
        }
    }
    return "";
}

// [[type, "text" | "bytes" | "json"], …]; the values are the frame's buffers.
json describe(std::vector<MimeItem>& parts, std::vector<std::string>& buffers) {
    json out = json::array();
    for (auto& part : parts) {
        const char* form = "json";
        if (auto* text = std::get_if<std::string>(&part.value)) {
            form = "text";
            buffers.push_back(std::move(*text));
        } else if (auto* bytes = std::get_if<Bytes>(&part.value)) {
            form = "bytes";
            buffers.push_back(std::move(bytes->value));
        } else {
            buffers.push_back(std::move(std::get<RawJson>(part.value).text));
        }
        out.push_back({part.type, form});
    }
    return out;
}

Error bad() {
    return Error{"cleaner", 0, "a frame that isn't one of its own", {}};
}

Result<std::vector<MimeItem>> parts_of(Frame& frame, bool checked) {
    std::vector<MimeItem> parts;
    const json described = frame.header.value("parts", json());
    if (!described.is_array() || described.size() != frame.buffers.size()) {
        return bad();
    }
    for (std::size_t i = 0; i < described.size(); ++i) {
        const json& one = described[i];
        if (!one.is_array() || one.size() != 2 || !one[0].is_string() || !one[1].is_string() ||
            one[0].get_ref<const std::string&>().size() > kNameBytes) {
            return bad();
        }
        std::string value = std::move(frame.buffers[i]);
        const auto& form = one[1].get_ref<const std::string&>();
        if (form == "text") {
            if (checked && !is_utf8(value)) {
                return bad();
            }
            parts.push_back({one[0], std::move(value)});
        } else if (form == "json") {
            if (checked && !check_json(value, kJsonDepth)) {
                return bad();
            }
            parts.push_back({one[0], RawJson{std::move(value)}});
        } else if (form == "bytes") {
            parts.push_back({one[0], Bytes{std::move(value)}});
        } else {
            return bad();
        }
    }
    return parts;
}

Result<std::vector<LeftOut>> left_out_of(const Frame& frame) {
    std::vector<LeftOut> out;
    const json given = frame.header.value("left_out", json());
    if (!given.is_array()) {
        return bad();
    }
    for (const auto& one : given) {
        if (!one.is_array() || one.size() != 3 || !one[0].is_string() || !one[1].is_number_unsigned() ||
            one[1] > static_cast<int>(LeftOut::Why::other) || !one[2].is_string()) {
            return bad();
        }
        const auto& type = one[0].get_ref<const std::string&>();
        const auto& detail = one[2].get_ref<const std::string&>();
        out.push_back({terminal_text(std::string(utf8_prefix(type, kNameBytes))),
                       static_cast<LeftOut::Why>(one[1].get<int>()),
                       terminal_text(std::string(utf8_prefix(detail, kNameBytes)))});
    }
    return out;
}

std::string text_in(const Frame& frame, const char* name, std::size_t most) {
    const auto found = frame.header.find(name);
    return found != frame.header.end() && found->is_string() ? found->get<std::string>().substr(0, most) : "";
}

}  // namespace

// Nothing of the policy but this: it holds what a cleaner has no business with.
std::string encode_rules(const OutputRules& rules) {
    Policy policy = builtin_policy();
    policy.outputs = rules;
    return encode_frame({{"type", "rules"}}, {policy_to_json(policy)});
}

Result<OutputRules> decode_rules(const Frame& frame) {
    if (frame.type() != "rules" || frame.buffers.size() != 1) {
        return bad();
    }
    auto policy = parse_policy(frame.buffers[0], "cleaner");
    return policy ? Result<OutputRules>(policy->outputs) : Result<OutputRules>(policy.error());
}

OutgoingFrame encode_task(CleaningTask task) {
    std::vector<std::string> buffers;
    json header{{"type", name_of_kind(task.kind)}, {"name", task.name}, {"target", task.target}};
    header["parts"] = describe(task.parts, buffers);
    return make_frame(header, std::move(buffers));
}

Result<CleaningTask> decode_task(Frame frame) {
    CleaningTask task;
    const std::string type = frame.type();
    const auto* found =
        std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& one) { return type == one.first; });
    if (found == kKinds.end()) {
        return bad();
    }
    task.kind = found->second;
    task.name = text_in(frame, "name", kNameBytes);
    task.target = text_in(frame, "target", kNameBytes);
    CELLBLOCK_ASSIGN_OR_RETURN(task.parts, parts_of(frame, /*checked=*/false));
    return task;
}

OutgoingFrame encode_cleaned(Cleaned cleaned) {
    std::vector<std::string> buffers;
    json header{{"type", "cleaned"}, {"malformed", cleaned.malformed}, {"left_out", json::array()}};
    for (const auto& one : cleaned.left_out) {
        header["left_out"].push_back({one.type, static_cast<int>(one.why), one.detail});
    }
    header["refusal"] = cleaned.refusal ? json(*cleaned.refusal) : json();
    header["parts"] = describe(cleaned.parts, buffers);
    return make_frame(header, std::move(buffers));
}

Result<Cleaned> decode_cleaned(Frame frame) {
    Cleaned out;
    Fields fields(frame);
    auto left_out = left_out_of(frame);
    out.malformed = fields.text("malformed", kNameBytes);
    out.refusal = fields.optional_text("refusal");
    auto parts = parts_of(frame, /*checked=*/true);
    if (frame.type() != "cleaned" || !fields.good() || !parts || !left_out) {
        return bad();
    }
    out.parts = std::move(*parts);
    out.left_out = std::move(*left_out);
    return out;
}

}  // namespace cellblock::sandbox
