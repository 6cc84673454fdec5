// What a client of `cellblock mcp` writes: messages, one on each line, to a server whose sandboxes can't be
// had.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "kernel/mcp/server.h"
#include "sandbox/api/policy.h"
#include "tests/fuzz/must.h"

using namespace cellblock;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    sandbox::Policy policy = sandbox::builtin_policy();
    policy.engine = "none";
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    kernel::McpServer server(policy, "/", [](const std::string& line) {
        const auto answer = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
        must(answer.is_object() && answer.value("jsonrpc", "") == "2.0" && answer.contains("id"));
        must(answer.contains("result") != answer.contains("error") && line.find('\n') == std::string::npos);
    });
    for (int i = 0; i < 50 && !rest.empty(); ++i) {
        const auto end = rest.find('\n');
        server.take(rest.substr(0, end));
        server.advance();
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return 0;
}
