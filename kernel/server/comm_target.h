// CommTarget: a target of comms that the kernel answers itself. Keeps which comms are open, and sends.
//
// Purpose: the worker never sees such comms, so they are answered while a cell runs as well, on the control
// channel at once. file_comms.h and command_comms.h are two; kernel/clients.md has their messages.
//
// Refers to the publisher, which must live longer. Main thread only.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/jupyter/publisher.h"

namespace cellblock::kernel {

class CommTarget {
public:
    static constexpr std::size_t kMostOpen = 100;
    static constexpr std::size_t kMostId = 200;  // of a comm, and of a request's own id as JSON text

    CommTarget(const char* name, Publisher& publisher) : name_(name), publisher_(publisher) {}

    [[nodiscard]] const char* name() const { return name_; }
    // A comm message for a comm of this target.
    [[nodiscard]] bool is_for(const Message& request) const;
    [[nodiscard]] bool is_open(const std::string& comm_id) const { return open_.contains(comm_id); }
    // Opens or closes a comm; false: the request is a comm_msg, and nothing was done.
    bool open_or_close(const Message& request);
    // Publishes a comm_msg. `parent`: the header of the request that it belongs to.
    void send(const std::string& comm, const std::string& parent, const nlohmann::json& data,
              Frames buffers = {}) const;
    // A comm_info_reply's content, with these comms in it.
    [[nodiscard]] std::string with_open_comms(std::string content) const;

private:
    const char* name_;
    Publisher& publisher_;
    std::set<std::string> open_;  // ids of comms
};

// The id of the comm that a comm message is for; empty: it names none.
std::string comm_of(const Message& request);

// The answer to a request that can't be done.
nlohmann::json comm_error(const std::string& ename, const std::string& evalue);

// Takes the members of a request one by one, and finds out at the end whether there were others.
class CommMembers {
public:
    explicit CommMembers(const nlohmann::json& data) : data_(data) {}

    // The request's own id, as JSON text.
    std::string id();
    std::string text(const char* name, const std::optional<std::string>& otherwise = std::nullopt);
    // A whole number from 0 to `most`, where there is one.
    std::optional<std::uint64_t> number(const char* name, std::uint64_t most = kMostNumber);
    bool flag(const char* name);
    std::vector<std::string> texts(const char* name);
    // The member as it is; null where it isn't there.
    const nlohmann::json* any(const char* name);
    [[nodiscard]] bool has(const char* name) const { return data_.contains(name); }

    void fail(const std::string& fault) { fault_ = fault_.empty() ? fault : fault_; }
    // The first fault, or a member that nobody has asked for. Empty: all is well.
    std::string fault();

private:
    static constexpr std::uint64_t kMostNumber = 1ULL << 62;

    const nlohmann::json& data_;
    std::vector<std::string_view> known_{"id", "do"};
    std::string fault_;
};

}  // namespace cellblock::kernel
