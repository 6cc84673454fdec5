// The files of a box, asked for one request at a time, and what is made of several: trees, entries.
//
// Purpose: each request's answer goes to the function that was given with it. Paths come from clients
// ("/home/user/a") and are turned into the sandbox's ("./a"): on every engine /home/user is the working
// directory.
//
// Refers to the box's session, which outlives it. For the loop's thread. Nothing throws.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kernel/e2b/port.h"
#include "sandbox/api/types.h"

namespace cellblock::kernel {

// A client's text can be a path if it keeps this rule.
bool is_path(const std::string& path);
inline constexpr const char* kPathRule = "a path has 1 to 4095 bytes of UTF-8 without NUL";

// A client's path as the sandbox knows it: below the working directory, or absolute.
std::string inside(const std::string& path);
// A path of the sandbox's as clients know it: absolute.
std::string outside(const std::string& path);
std::string last_part(std::string_view path);

// A file or folder; `path` is the sandbox's.
struct FoundFile {
    std::string path;
    sandbox::FileKind kind = sandbox::FileKind::file;
    std::uint64_t size_bytes = 0;
    std::uint64_t modified = 0;  // nanoseconds since 1970
};
// The protocol's EntryInfo of a file.
nlohmann::json entry_json(const FoundFile& file);

class FileRequests {
public:
    static constexpr std::size_t kMostFound = 10'000;

    using Take = std::function<void(sandbox::FileReply&)>;
    using TakeFound = std::function<void(const std::optional<sandbox::Error>&, std::vector<FoundFile>)>;

    explicit FileRequests(SessionPort port) : port_(std::move(port)) {}

    // One request; its answer goes to `take`, at the box's end too.
    void ask(sandbox::FileRequest request, Take take);
    // Looks at one path. `take` gets one entry, or the Error why there is none.
    void look(const std::string& path, TakeFound take);
    // Lists a folder, and the folders below it as deep as that; at most 10,000, and an Error for more.
    void list(const std::string& folder, int depth, TakeFound take);

    // The pointer has expired once the box has ended, and nothing may be asked for any more.
    [[nodiscard]] std::weak_ptr<const bool> life() const { return life_; }

    void on(sandbox::Event& event);
    void end(const std::string& reason);

private:
    SessionPort port_;
    std::shared_ptr<const bool> life_ = std::make_shared<bool>(true);
    std::map<sandbox::FileId, Take> waiting_;
};

}  // namespace cellblock::kernel
