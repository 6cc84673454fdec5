// Frames to a sandbox.
#include <algorithm>

#include "sandbox/base/json_text.h"
#include "sandbox/channel/messages.h"

namespace cellblock::sandbox {

using nlohmann::json;

namespace {

// A client's JSON object; anything else becomes the empty one.
json object_from(const std::string& text) {
    auto parsed = parse_json_object(text, {64});
    return parsed ? std::move(*parsed) : json::object();
}

json query_header(const CompleteQuery& query) {
    return {{"type", "complete"}, {"code", query.code}, {"cursor", query.cursor}};
}
json query_header(const InspectQuery& query) {
    return {{"type", "inspect"},
            {"code", query.code},
            {"cursor", query.cursor},
            {"detail", query.detail},
            {"omit_sections", json::array()}};
}
json query_header(const IsCompleteQuery& query) {
    return {{"type", "is_complete"}, {"code", query.code}};
}
json query_header(const CommInfoQuery& query) {
    return {{"type", "comm_info"},
            {"target_name", query.target_name ? json(*query.target_name) : json(nullptr)}};
}

const char* comm_type(CommKind kind) {
    switch (kind) {
        case CommKind::open:
            return "comm_open";
        case CommKind::message:
            return "comm_msg";
        case CommKind::close:
            break;
    }
    return "comm_close";
}

// Where cells start: the policy's /work, whatever it is made of.
std::string files_summary(const Policy& policy) {
    std::string out;
    for (const auto& rule : policy.files) {
        out += (out.empty() ? "" : ", ") + rule.sandbox;
    }
    return out;
}

json read_only_places(const Policy& policy) {
    json places = json::array();
    for (const auto& rule : policy.files) {
        if (rule.mode == FileMode::read) {
            places.push_back(rule.sandbox);
        }
    }
    return places;
}

}  // namespace

std::string encode_configure(const Policy& policy) {
    return encode_frame({{"type", "configure"},
                         {"policy",
                          {{"name", policy.name},
                           {"cell_time", format_duration(policy.limits.cell_time)},
                           {"memory", format_size(policy.limits.memory_bytes)},
                           {"processes", policy.limits.processes},
                           {"disk", format_size(policy.limits.disk_bytes)},
                           {"output_bytes", policy.limits.output_bytes},
                           {"network", "none"},
                           {"files", files_summary(policy)},
                           {"read_only", read_only_places(policy)},
                           {"history", policy.history != "none"},
                           {"packages", policy.packages.allow},
                           {"working_directory", "/work"}}},
                         {"preload", policy.preload},
                         {"imports", policy.imports ? json(*policy.imports) : json()}});
}

std::string encode_execute(CellId cell, const ExecuteRequest& request) {
    return encode_frame({{"type", "execute"},
                         {"cell", cell},
                         {"code", request.code},
                         {"silent", request.silent},
                         {"store_history", request.store_history},
                         {"user_expressions", object_from(request.user_expressions)},
                         {"allow_stdin", request.allow_stdin},
                         {"count", request.count},
                         {"metadata", object_from(request.metadata)},
                         {"parent", request.parent}});
}

std::string encode_comm(CellId cell, const CommInput& message) {
    json header = {{"type", comm_type(message.kind)},
                   {"cell", cell},
                   {"comm_id", message.comm_id},
                   {"data", 0},
                   {"metadata", 1},
                   {"parent", message.parent}};
    if (message.kind == CommKind::open) {
        header["target_name"] = message.target_name;
    }
    std::vector<std::string> buffers{message.data, message.metadata};
    buffers.insert(buffers.end(), message.buffers.begin(), message.buffers.end());
    return encode_frame(header, buffers);
}

std::string encode_query(QueryId query, const Query& what) {
    json header = std::visit([](const auto& one) { return query_header(one); }, what);
    header["query"] = query;
    return encode_frame(header);
}

std::string encode_input_reply(std::uint64_t request, const std::string& value) {
    return encode_frame({{"type", "input_reply"}, {"request", request}, {"value", value}});
}

std::string encode_debug_request(DebugId request, const std::string& content, bool idle) {
    return encode_frame({{"type", "debug_request"}, {"request", request}, {"idle", idle}, {"content", 0}},
                        {content});
}

std::string encode_history_reply(std::uint64_t request, const HistoryAnswer& answer) {
    return encode_frame({{"type", "history_reply"},
                         {"request", request},
                         {"error", answer.error.empty() ? json(nullptr) : json(answer.error)},
                         {"lines", 0}},
                        {answer.lines});
}

std::string encode_install_reply(std::uint64_t request, const InstallAnswer& answer) {
    return encode_frame({{"type", "install_reply"},
                         {"request", request},
                         {"error", answer.error.empty() ? json(nullptr) : json(answer.error)},
                         {"installed", answer.installed},
                         {"present", answer.present}});
}

std::string encode_warden_command(const char* type) {
    return encode_frame({{"type", type}});
}

}  // namespace cellblock::sandbox
