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
    const auto check = [](const std::string& line, int error) {
        const auto answer = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
        must(answer.is_object() && answer.value("jsonrpc", "") == "2.0" && answer.contains("id"));
        must(answer.contains("result") != answer.contains("error") && line.find('\n') == std::string::npos);
        must(answer.contains("error") == (error != 0));
    };
    const auto check_progress = [](const std::string& line) {
        const auto told = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
        must(told.is_object() && told.value("method", "") == "notifications/progress" &&
             !told.contains("id"));
        must(told["params"].contains("progressToken") && line.find('\n') == std::string::npos);
    };
    kernel::McpServerOptions options;
    options.directory = "/";
    kernel::McpServer server(policy, options);
    for (int i = 0; i < 50 && !rest.empty(); ++i) {
        const auto end = rest.find('\n');
        server.take(kernel::read_message(rest.substr(0, end)), check, check_progress);
        server.advance();
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return 0;
}
