// The frames between a session and the broker as JSON.
#include "sandbox/network/broker_frames.h"

#include <vector>

#include "sandbox/base/text.h"
#include "sandbox/channel/fields.h"
#include "sandbox/policy/network_keys.h"

namespace cellblock::sandbox::network {

std::string encode_task(const BrokerTask& task) {
    std::vector<std::string> secrets;  // each name, and its value behind it
    for (const auto& [name, value] : task.secrets) {
        secrets.push_back(name);
        secrets.push_back(value);
    }
    return encode_frame({{"type", "task"},
                         {"network", write_network(task.rules).dump()},
                         {"bytes_out", task.rules.bytes_out},
                         {"bytes_in", task.rules.bytes_in},
                         {"secrets", secrets},
                         {"key", task.authority.key},
                         {"certificate", task.authority.certificate}});
}

Result<BrokerTask> decode_task(Frame frame) {
    Fields fields(frame);
    const auto network = nlohmann::json::parse(fields.text("network"), nullptr, false);
    const auto secrets = fields.texts("secrets");
    BrokerTask task;
    // The rest of a budget may be less than a policy can say, so it travels beside the policy's text.
    const auto bytes_out = fields.number("bytes_out");
    const auto bytes_in = fields.number("bytes_in");
    task.authority.key = fields.text("key");
    task.authority.certificate = fields.text("certificate");
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    CELLBLOCK_ASSIGN_OR_RETURN(task.rules, read_network("network", network));
    task.rules.bytes_out = bytes_out;
    task.rules.bytes_in = bytes_in;
    for (std::size_t i = 0; i + 1 < secrets.size(); i += 2) {
        task.secrets[secrets[i]] = secrets[i + 1];
    }
    return task;
}

std::string encode_connection(const ConnectionReport& report) {
    return encode_frame({{"type", "connection"},
                         {"host", report.host},
                         {"port", report.port},
                         {"address", report.address},
                         {"rule", report.rule},
                         {"request", report.request},
                         {"sent", report.sent},
                         {"received", report.received},
                         {"allowed", report.allowed},
                         {"reason", report.reason}});
}

Result<ConnectionReport> decode_connection(Frame frame) {
    if (frame.type() != "connection") {
        return Error{"frame", 0, "a broker's frame of an unknown type", {}};
    }
    Fields fields(frame);
    ConnectionReport report;
    report.host = printable(fields.text("host", kNameBytes));
    report.port = static_cast<std::uint16_t>(fields.number("port", 65535));
    report.address = printable(fields.text("address", kNameBytes));
    report.rule = printable(fields.text("rule", kNameBytes));
    report.request = printable(fields.text("request", kNameBytes));
    report.sent = fields.number("sent");
    report.received = fields.number("received");
    report.allowed = fields.flag("allowed");
    report.reason = printable(fields.text("reason", 4 * kNameBytes));
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    return report;
}

}  // namespace cellblock::sandbox::network
