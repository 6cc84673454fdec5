// What comms, replies and metadata carry: JSON that is read, and written anew where it must be.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/base/json_text.h"
#include "sandbox/outputs/comms.h"
#include "sandbox/outputs/plain_items.h"
#include "sandbox/outputs/replies.h"

using namespace cellblock::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const OutputRules rules =
        parse_policy(R"({"outputs": {"comms": ["jupyter.widget"]}})", "fuzz").value().outputs;
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (!check_json(text, 32)) {
        return 0;  // the channel lets no other JSON come here
    }
    const RawJson json{text};
    const BundleRules bundles(rules);
    for (const auto& out : {inert_reply(json, bundles), inert_payload(json, bundles),
                            inert_expressions(json, bundles), inert_metadata(json)}) {
        if (!nlohmann::json::accept(out.text)) {
            std::abort();
        }
    }
    if (PlainRules(rules).admits_expressions(text) && inert_expressions(json, bundles).text != text) {
        std::abort();
    }
    CommRules comms(rules);
    for (const auto kind : {CommKind::open, CommKind::message, CommKind::close}) {
        CommOutput message;
        message.kind = kind;
        message.comm_id = "1";
        message.target_name = "jupyter.widget";
        message.data = json;
        (void)comms.refuse(message);
        if (!nlohmann::json::accept(message.data.text)) {
            std::abort();
        }
    }
    return 0;
}
