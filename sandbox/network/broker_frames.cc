// The frames between a session and the broker as JSON.
#include "sandbox/network/broker_frames.h"

#include "sandbox/base/text.h"
#include "sandbox/channel/fields.h"
#include "sandbox/policy/host_rules.h"

namespace cellblock::sandbox::network {

namespace {

Result<std::vector<HostRule>> rules_of(const std::vector<std::string>& texts) {
    std::vector<HostRule> rules;
    for (const auto& text : texts) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto rule, read_host_rule(text));
        rules.push_back(std::move(rule));
    }
    return rules;
}

}  // namespace

std::string encode_network_rules(const NetworkRules& rules) {
    return encode_frame({{"type", "rules"},
                         {"allow", texts_of(rules.allow)},
                         {"deny", texts_of(rules.deny)},
                         {"connections", rules.connections},
                         {"bytes_out", rules.bytes_out},
                         {"bytes_in", rules.bytes_in}});
}

Result<NetworkRules> decode_network_rules(const Frame& frame) {
    Frame copy = frame;
    Fields fields(copy);
    NetworkRules rules;
    const auto allow = rules_of(fields.texts("allow"));
    const auto deny = rules_of(fields.texts("deny"));
    rules.connections = static_cast<std::uint32_t>(fields.number("connections", 1U << 20));
    rules.bytes_out = fields.number("bytes_out");
    rules.bytes_in = fields.number("bytes_in");
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    if (!allow || !deny) {
        return allow ? deny.error() : allow.error();
    }
    rules.allow = *allow;
    rules.deny = *deny;
    return rules;
}

std::string encode_connection(const ConnectionReport& report) {
    return encode_frame({{"type", "connection"},
                         {"host", report.host},
                         {"port", report.port},
                         {"address", report.address},
                         {"rule", report.rule},
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
    report.sent = fields.number("sent");
    report.received = fields.number("received");
    report.allowed = fields.flag("allowed");
    report.reason = printable(fields.text("reason", 4 * kNameBytes));
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    return report;
}

}  // namespace cellblock::sandbox::network
