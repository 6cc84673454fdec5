// The connection file: where a Jupyter client awaits the kernel.
//
// Purpose: reads, checks and (for ports that were 0) writes back the JSON file
// that the client gives by -f. xeus's own reader is not used: it throws on
// fields that are missing and drops the key where the scheme is.
// Ownership: plain values. Threads: no shared state.
// Failure: an Error that names the file and the field.
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
    // CurveZMQ's key pair in Z85, of jupyter_client's transport_encryption. Empty: no encryption.
    std::string curve_public;
    std::string curve_secret;
    uid_t owner = 0;          // the file's: a client's that may connect
    bool any_user = false;    // clients of other users of this machine may connect too
    nlohmann::json document;  // the file as it was read

    [[nodiscard]] int port(Channel channel) const { return ports[static_cast<std::size_t>(channel)]; }
    void set_port(Channel channel, int port) { ports[static_cast<std::size_t>(channel)] = port; }
    // Of that channel, for zmq_bind; a port 0 is tcp's "*".
    [[nodiscard]] std::string endpoint(Channel channel) const;
};

sandbox::Result<Connection> parse_connection(std::string_view text, const std::string& path);
sandbox::Result<Connection> read_connection(const std::string& path);

// Replaces the file by one with these ports, readable for its owner only.
sandbox::Status write_connection(const Connection& connection);

}  // namespace cellblock::kernel
