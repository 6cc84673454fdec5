// Asking all of a user's daemons.
#include "sandbox/pool/all_daemons.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/pool/protocol.h"
#include "sandbox/pool/runtime_directory.h"

namespace cellblock::sandbox::pool {

namespace {

constexpr std::chrono::seconds kTimeToAnswer{5};

// Asks each daemon of this user; those that don't answer are left out.
Result<std::vector<std::string>> ask_all(Verb verb) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto directory, open_runtime_directory());
    std::vector<std::string> answers;
    for (const auto& name : sockets_in(directory)) {
        auto socket = connect_to(directory, name);
        if (!socket || !send_message(socket->get(), to_bytes({verb, {}, {}}))) {
            continue;
        }
        if (auto answer = receive_message(socket->get(), kTimeToAnswer)) {
            answers.push_back(std::move(answer->bytes));
        }
    }
    ::rmdir(directory.path.c_str());  // where it is empty
    return answers;
}

}  // namespace

Result<std::vector<nlohmann::ordered_json>> all_daemons() {
    CELLBLOCK_ASSIGN_OR_RETURN(auto answers, ask_all(Verb::status));
    std::vector<nlohmann::ordered_json> all;
    for (const auto& answer : answers) {
        auto read = nlohmann::ordered_json::parse(answer, nullptr, false);
        if (read.is_object()) {
            all.push_back(std::move(read));
        }
    }
    return all;
}

Result<std::vector<std::string>> daemon_logs() {
    const auto directory = open_runtime_directory(IfMissing::fail);
    std::vector<std::string> paths;
    if (!directory) {
        return directory.error().code == ENOENT ? Result<std::vector<std::string>>(paths) : directory.error();
    }
    for (const auto& name : logs_in(*directory)) {
        paths.push_back(directory->path + "/" + name);
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

std::string last_start_failure() {
    const auto directory = open_runtime_directory();
    return directory ? last_failure(*directory, context_name(*directory).socket) : std::string();
}

Result<int> stop_daemons() {
    auto answers = ask_all(Verb::stop);
    return answers ? Result<int>(static_cast<int>(answers->size())) : answers.error();
}

}  // namespace cellblock::sandbox::pool
