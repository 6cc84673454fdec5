#include "kernel/mcp/tools.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

#include "kernel/jupyter/message_text.h"
#include "sandbox/base/base64.h"
#include "sandbox/base/text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr std::size_t kLongestName = 64;  // of a session
constexpr std::size_t kMostRead = 8U << 20;

struct Argument {
    const char* name;
    const char* type;  // JSON schema's
    const char* description;
    bool is_required = false;
};

struct Tool {
    const char* name;
    const char* title;
    const char* description;
    std::vector<Argument> arguments;
    bool only_reads = false;
    bool destroys = false;
};

constexpr Argument kSession{"session", "string",
                            "A session's name: sessions don't see each other's variables and files. "
                            "Default: \"default\""};

const std::vector<Tool>& tools() {
    static const std::vector<Tool> all{
        {"execute_code",
         "Run Python code",
         "Runs Python code in a sandbox and gives back what it prints, its last expression's value and its "
         "figures as images.",
         {{"code", "string", "Python code, as a notebook's cell has it", true},
          {"timeout", "number", "Seconds after which the code is stopped"},
          kSession}},
        {"reset",
         "Begin anew",
         "Ends a session's sandbox: its variables and files are gone, and the next call begins a new one.",
         {kSession},
         false,
         true},
        {"list_files",
         "List files",
         "Lists a folder of the sandbox, a name on each line: folders end with /, of files their bytes "
         "follow.",
         {{"path", "string", "The folder; default: the working directory"}, kSession},
         true},
        {"read_file",
         "Read a file",
         "Reads a file of the sandbox: text as text, pictures as images. At most 8 MiB.",
         {{"path", "string", "Relative to the working directory, or absolute", true}, kSession},
         true},
        {"write_file",
         "Write a file",
         "Writes a whole file in the sandbox, and the folders above it.",
         {{"path", "string", "Relative to the working directory, or absolute", true},
          {"content", "string", "The file's text; or give content_base64"},
          {"content_base64", "string", "The file's bytes in base64"},
          kSession},
         false,
         true}};
    return all;
}

const Tool* find_tool(const std::string& name) {
    const auto found =
        std::find_if(tools().begin(), tools().end(), [&](const Tool& tool) { return name == tool.name; });
    return found == tools().end() ? nullptr : &*found;
}

std::string text_of(const json& arguments, const char* name, const std::string& otherwise = {}) {
    const auto found = arguments.find(name);
    return found != arguments.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

std::string picture_type(const std::string& bytes) {
    using namespace std::string_view_literals;
    constexpr std::array kKinds{std::pair{"\x89PNG\r\n\x1a\n"sv, "image/png"},
                                std::pair{"\xff\xd8\xff"sv, "image/jpeg"}, std::pair{"GIF8"sv, "image/gif"}};
    for (const auto& [magic, type] : kKinds) {
        if (bytes.starts_with(magic)) {
            return type;
        }
    }
    return bytes.starts_with("RIFF") && bytes.compare(8, 4, "WEBP") == 0 ? "image/webp" : "";
}

ToolResult failed(const Error& error) {
    return {error.text(), {}, true};
}

ToolResult read_result(const FileReply& reply, const std::string& path) {
    if (reply.error) {
        return failed(*reply.error);
    }
    if (reply.size_bytes > kMostRead) {
        return {path + " has " + std::to_string(reply.size_bytes) +
                    " bytes, and a call gives 8 MiB at most: read a part of it by code",
                {},
                true};
    }
    ToolResult result;
    if (const std::string type = picture_type(reply.bytes); !type.empty()) {
        result.more.push_back(image_content(type, reply.bytes));
    } else if (is_utf8(reply.bytes) && reply.bytes.find('\0') == std::string::npos) {
        result.text = reply.bytes;
    } else {
        result.more.push_back({{"type", "resource"},
                               {"resource",
                                {{"uri", "cellblock://file/" + path},
                                 {"mimeType", "application/octet-stream"},
                                 {"blob", base64(reply.bytes)}}}});
    }
    return result;
}

// Names are the sandbox's: a line break in one must not look like another file.
std::string shown(const std::string& name) {
    std::string out = printable(name);
    std::replace(out.begin(), out.end(), '\n', '?');
    return out;
}

// All pages of a folder.
struct Listing {
    ToolSession& session;
    std::string path;
    ToolAnswer answer;
    std::string text;
    std::size_t count = 0;

    static void go_on(const std::shared_ptr<Listing>& self, const std::string& after) {
        self->session.file(ListFolder{self->path, after},
                           [self](const FileReply& reply) { take(self, reply); });
    }

    static void take(const std::shared_ptr<Listing>& self, const FileReply& reply) {
        constexpr std::size_t kMost = 2000;
        if (reply.error) {
            return self->answer(failed(*reply.error));
        }
        for (const auto& entry : reply.entries) {
            self->text += shown(entry.name) +
                          (entry.kind == FileKind::folder ? "/"
                           : entry.kind == FileKind::file ? "  " + std::to_string(entry.size_bytes)
                                                          : "") +
                          "\n";
        }
        self->count += reply.entries.size();
        if (reply.more && !reply.entries.empty() && self->count < kMost) {
            return go_on(self, reply.entries.back().name);
        }
        if (reply.more) {
            self->text += "… and more: list them by code\n";
        }
        self->answer({self->text.empty() ? "(no files)" : self->text, {}, false});
    }
};

}  // namespace

json tool_list(const Policy& policy) {
    json list = json::array();
    for (const auto& tool : tools()) {
        json properties = json::object();
        json required = json::array();
        for (const auto& argument : tool.arguments) {
            properties[argument.name] = {{"type", argument.type}, {"description", argument.description}};
            if (argument.is_required) {
                required.push_back(argument.name);
            }
        }
        std::string description = tool.description;
        if (std::string_view(tool.name) == "execute_code") {
            description += "\n\n" + policy_prompt(policy);
        }
        list.push_back({{"name", tool.name},
                        {"title", tool.title},
                        {"description", description},
                        {"inputSchema",
                         {{"type", "object"},
                          {"properties", properties},
                          {"required", required},
                          {"additionalProperties", false}}},
                        {"annotations",
                         {{"title", tool.title},
                          {"readOnlyHint", tool.only_reads},
                          {"destructiveHint", tool.destroys},
                          {"openWorldHint", false}}}});
    }
    return list;
}

bool is_tool(const std::string& name) {
    return find_tool(name) != nullptr;
}

std::string arguments_fault(const std::string& tool, const json& arguments) {
    const auto& known = find_tool(tool)->arguments;
    for (const auto& [name, value] : arguments.items()) {
        const auto argument =
            std::find_if(known.begin(), known.end(),
                         [&, wanted = name](const Argument& one) { return wanted == one.name; });
        if (argument == known.end()) {
            return tool + " has no argument \"" + printable(name.substr(0, kLongestName)) + "\"";
        }
        const bool fits =
            std::string_view(argument->type) == "number" ? value.is_number() : value.is_string();
        if (!fits) {
            return "the argument \"" + name + "\" must be a " + argument->type;
        }
    }
    for (const auto& argument : known) {
        if (argument.is_required && !arguments.contains(argument.name)) {
            return tool + " needs the argument \"" + argument.name + "\"";
        }
    }
    const std::string session = text_of(arguments, "session", kDefaultSession);
    const bool good = !session.empty() && session.size() <= kLongestName &&
                      std::all_of(session.begin(), session.end(), [](unsigned char c) {
                          return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                      });
    if (!good) {
        return "a session's name has 1 to 64 letters, digits, and . - _";
    }
    if (arguments.contains("timeout") && !(arguments["timeout"].get<double>() > 0)) {
        return "timeout must be above 0 seconds";
    }
    if (tool == "write_file") {
        if (arguments.contains("content") == arguments.contains("content_base64")) {
            return "write_file needs one of the arguments \"content\" and \"content_base64\"";
        }
        if (arguments.contains("content_base64") && !decode_base64(text_of(arguments, "content_base64"))) {
            return "content_base64 isn't base64";
        }
    }
    return {};
}

void begin_tool(const std::string& tool, const json& arguments, const std::string& key, ToolSession& session,
                ToolAnswer answer, ToolProgress progress) {
    const std::string path = text_of(arguments, "path", ".");
    if (tool == "execute_code") {
        ExecuteRequest request;
        request.code = text_of(arguments, "code");
        if (arguments.contains("timeout")) {
            std::array<char, 32> seconds{};
            std::snprintf(seconds.data(), seconds.size(), "%.3f",
                          std::clamp(arguments["timeout"].get<double>(), 0.001, 1e9));
            request.time_limit = seconds.data();
        }
        session.execute(key, std::move(request), std::move(answer), std::move(progress));
    } else if (tool == "list_files") {
        Listing::go_on(std::make_shared<Listing>(Listing{session, path, std::move(answer), {}, 0}), "");
    } else if (tool == "read_file") {
        session.file(
            ReadFile{path, 0, kMostRead},
            [answer = std::move(answer), path](const FileReply& reply) { answer(read_result(reply, path)); });
    } else {
        const bool is_text = arguments.contains("content");
        WriteFile write{path, is_text ? text_of(arguments, "content")
                                      : *decode_base64(text_of(arguments, "content_base64"))};
        session.file(std::move(write), [answer = std::move(answer), path](const FileReply& reply) {
            answer(reply.error
                       ? failed(*reply.error)
                       : ToolResult{
                             "wrote " + std::to_string(reply.size_bytes) + " bytes to " + path, {}, false});
        });
    }
}

}  // namespace cellblock::kernel
