// Asking all of a user's daemons.
#include "sandbox/pool/all_daemons.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "sandbox/base/socket.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/pool/runtime_directory.h"

namespace cellblock::sandbox::pool {

namespace {

constexpr std::chrono::seconds kTimeToAnswer{5};
constexpr std::chrono::seconds kTimeToStop{30};
constexpr std::chrono::milliseconds kPause{20};

using Clock = std::chrono::steady_clock;

struct Answer {
    UniqueFd socket;
    std::string where;  // it listens, and its process, in words
    std::string bytes;
};

struct Answers {
    std::vector<Answer> given;
    std::vector<std::string> silent;
};

Error silent_one(const std::string& where, const char* what) {
    return {"ask " + where, 0, what,
            "It is busy, or it hangs: try again, or end that process; kernels go on"};
}

// Asks one daemon. Gives its answer; nullopt where the daemon is gone; an Error where it is there and has
// given no answer in time. A daemon with too many clients refuses some, which then ask again.
Result<std::optional<Answer>> ask_one(const RuntimeDirectory& directory, const std::string& name, Verb verb,
                                      std::chrono::milliseconds patience) {
    const auto until = Clock::now() + patience;
    std::string where = "the daemon that listens in " + directory.path + "/" + name;
    do {
        auto socket = connect_to(directory, name);
        if (!socket && socket.error().code != EAGAIN) {
            return std::optional<Answer>();
        }
        if (socket) {
            where = "the daemon of process " + std::to_string(listener_of(socket->get())) +
                    ", which listens in " + directory.path + "/" + name;
        }
        if (socket && send_message(socket->get(), to_bytes({verb, {}, {}})).ok() &&
            is_readable(socket->get(), std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()))) {
            if (auto answer = receive_message(socket->get(), std::chrono::milliseconds(0))) {
                return std::optional(Answer{std::move(*socket), where, std::move(answer->bytes)});
            }
        }
        std::this_thread::sleep_for(kPause);
    } while (Clock::now() < until);
    return silent_one(where, "it gives no answer");
}

// Asks each daemon of this user.
Result<Answers> ask_all(Verb verb, std::chrono::milliseconds patience) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto directory, open_runtime_directory());
    Answers answers;
    for (const auto& name : sockets_in(directory)) {
        auto answer = ask_one(directory, name, verb, patience);
        if (!answer) {
            answers.silent.push_back(answer.error().text());
        } else if (*answer) {
            answers.given.push_back(std::move(**answer));
        }
    }
    ::rmdir(directory.path.c_str());  // where it is empty
    return answers;
}

}  // namespace

Result<Daemons> all_daemons() {
    CELLBLOCK_ASSIGN_OR_RETURN(auto answers, ask_all(Verb::status, kTimeToAnswer));
    Daemons all;
    all.silent = std::move(answers.silent);
    for (const auto& answer : answers.given) {
        auto read = nlohmann::ordered_json::parse(answer.bytes, nullptr, false);
        if (read.is_object()) {
            all.figures.push_back(std::move(read));
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

Result<Stopped> stop_daemons() {
    CELLBLOCK_ASSIGN_OR_RETURN(auto answers, ask_all(Verb::stop, kTimeToStop));
    Stopped stopped;
    stopped.silent = std::move(answers.silent);
    for (const auto& answer : answers.given) {
        if (is_readable(answer.socket.get(), kTimeToStop)) {  // it has closed the socket
            ++stopped.count;
        } else {
            stopped.silent.push_back(silent_one(answer.where, "it still has sandboxes to let go of").text());
        }
    }
    return stopped;
}

}  // namespace cellblock::sandbox::pool
