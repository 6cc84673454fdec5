// The connection file: where a Jupyter client expects the kernel, and the key for its messages.
//
// Purpose: reads and checks the JSON file that the client names with -f. Where the file leaves a port to the
// kernel (0), write_connection() puts the chosen port into it. xeus's own reader isn't used, because it
// throws when a field is missing and keeps the signature scheme as the key.
//
//     auto connection = read_connection(path);
//     zmq_bind(socket, connection->endpoint(Channel::shell).c_str());
//
// Plain values without shared state. Failure: an Error that names the file and the field.
#pragma once

#include <sys/types.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

enum class Channel { shell, control, input, iopub, heartbeat };
inline constexpr std::size_t kChannels = 5;
inline constexpr std::array<const char*, kChannels> kPortNames{"shell_port", "control_port", "stdin_port",
                                                               "iopub_port", "hb_port"};

struct Connection {
    std::string path;
    std::string transport = "tcp";  // or "ipc"
    std::string ip = "127.0.0.1";   // of ipc: the beginning of the sockets' paths
    std::string signature_scheme = "hmac-sha256";
    std::string key;                     // empty: no authentication
    std::array<int, kChannels> ports{};  // by Channel; 0: any that is free
    // CurveZMQ's key pair in Z85, where jupyter_client's transport_encryption is on. Empty: no encryption.
    std::string curve_public;
    std::string curve_secret;
    uid_t owner = 0;          // who owns the file: this user's clients may connect
    bool any_user = false;    // clients of other users of this machine may connect too
    nlohmann::json document;  // the file as it was read

    [[nodiscard]] int port(Channel channel) const { return ports[static_cast<std::size_t>(channel)]; }
    void set_port(Channel channel, int port) { ports[static_cast<std::size_t>(channel)] = port; }
    // The address of `channel` for zmq_bind. A port 0 becomes "*", which is any free port of tcp.
    [[nodiscard]] std::string endpoint(Channel channel) const;
};

// From the file's text; `path` is for error messages.
sandbox::Result<Connection> parse_connection(std::string_view text, const std::string& path);
sandbox::Result<Connection> read_connection(const std::string& path);

// Replaces the file by one with these ports, which only its owner may read.
sandbox::Status write_connection(const Connection& connection);

}  // namespace cellblock::kernel
