#include "kernel/jupyter/connection.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zmq.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/json_text.h"

namespace cellblock::kernel {

using nlohmann::json;
using sandbox::Error;
using sandbox::Result;
using sandbox::Status;

namespace {

constexpr std::size_t kMaxFile = 1U << 20;
constexpr std::size_t kMaxDepth = 32;
constexpr int kMaxPort = 65'535;
constexpr std::size_t kCurveKey = 40;
constexpr const char* kRemedy =
    "It is written by the Jupyter client; `jupyter console --kernel cellblock` makes one";

Error bad(const std::string& path, const std::string& what) {
    return Error{"connection file " + path, 0, what, kRemedy};
}

// Reads a text. If the field is missing, null or empty, the default stays.
Status read_text(const json& document, const char* name, const std::string& path, std::string& value) {
    const auto found = document.find(name);
    if (found == document.end() || found->is_null()) {
        return sandbox::Ok{};
    }
    if (!found->is_string()) {
        return bad(path, std::string(name) + " must be a text");
    }
    if (!found->get_ref<const std::string&>().empty()) {
        value = found->get<std::string>();
    }
    return sandbox::Ok{};
}

Result<int> read_port(const json& document, const char* name, const std::string& path) {
    const auto found = document.find(name);
    if (found == document.end()) {
        return bad(path, std::string(name) + " is missing");
    }
    if (!found->is_number_integer() || *found < 0 || *found > kMaxPort) {
        return bad(path, std::string(name) + " must be a number from 0 to 65535");
    }
    return found->get<int>();
}

// Reads both keys or none. A kernel that is asked to encrypt never goes on without encryption.
Status check_curve_keys(const Connection& connection) {
    const std::string& path = connection.path;
    if (connection.curve_public.empty() && connection.curve_secret.empty()) {
        return sandbox::Ok{};
    }
    if (connection.curve_public.empty() || connection.curve_secret.empty()) {
        return bad(path, "curve_publickey and curve_secretkey must be there both or not at all");
    }
    if (zmq_has("curve") == 0) {
        return Error{"connection file " + path, 0,
                     "asks for encryption, which this machine's libzmq can't do",
                     "Start Jupyter with --KernelManager.transport_encryption=disabled, or install a libzmq "
                     "with libsodium"};
    }
    std::array<char, kCurveKey + 1> derived{};
    if (connection.curve_secret.size() != kCurveKey ||
        zmq_curve_public(derived.data(), connection.curve_secret.c_str()) != 0 ||
        connection.curve_public != derived.data()) {
        return bad(path, "curve_publickey and curve_secretkey aren't a pair of Z85 texts of 40 characters");
    }
    return sandbox::Ok{};
}

// The path of ipc sockets where the file names none.
std::string default_ipc(const std::string& path) {
    const std::string ending = ".json";
    const bool ends = path.size() > ending.size() && path.ends_with(ending);
    return (ends ? path.substr(0, path.size() - ending.size()) : path) + "-ipc";
}

}  // namespace

std::string Connection::endpoint(Channel channel) const {
    const int number = port(channel);
    if (transport == "ipc") {
        return "ipc://" + ip + "-" + std::to_string(number);
    }
    const bool plain_v6 = ip.find(':') != std::string::npos && ip.front() != '[';
    const std::string host = plain_v6 ? "[" + ip + "]" : ip;
    return transport + "://" + host + ":" + (number == 0 ? "*" : std::to_string(number));
}

Result<Connection> parse_connection(std::string_view text, const std::string& path) {
    auto document = sandbox::parse_json_object(text, {kMaxDepth});
    if (!document) {
        return bad(path, "is " + document.error().message + " (a JSON object is expected)");
    }
    Connection connection;
    connection.path = path;
    connection.document = std::move(*document);
    const json& fields = connection.document;
    connection.ip.clear();
    for (const auto& [name, value] :
         {std::pair{"transport", &connection.transport}, std::pair{"ip", &connection.ip},
          std::pair{"signature_scheme", &connection.signature_scheme}, std::pair{"key", &connection.key},
          std::pair{"curve_publickey", &connection.curve_public},
          std::pair{"curve_secretkey", &connection.curve_secret}}) {
        CELLBLOCK_RETURN_IF_ERROR(read_text(fields, name, path, *value));
    }
    CELLBLOCK_RETURN_IF_ERROR(check_curve_keys(connection));
    if (connection.transport != "tcp" && connection.transport != "ipc") {
        return bad(path, "transport is \"" + connection.transport + "\"; tcp and ipc are known");
    }
    if (connection.ip.empty()) {
        connection.ip = connection.transport == "tcp" ? "127.0.0.1" : default_ipc(path);
    }
    for (std::size_t i = 0; i < kChannels; ++i) {
        CELLBLOCK_ASSIGN_OR_RETURN(connection.ports[i], read_port(fields, kPortNames[i], path));
    }
    return connection;
}

Result<Connection> read_connection(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return sandbox::errno_error("connection file " + path, kRemedy);
    }
    std::string text(kMaxFile + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) {
        return bad(path, "can't be read");
    }
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMaxFile) {
        return bad(path, "is larger than 1 MiB");
    }
    auto connection = parse_connection(text, path);
    struct stat found {};
    if (connection && ::stat(path.c_str(), &found) == 0) {
        connection->owner = found.st_uid;
    }
    return connection;
}

Status write_connection(const Connection& connection) {
    json document = connection.document;
    for (std::size_t i = 0; i < kChannels; ++i) {
        document[kPortNames[i]] = connection.ports[i];
    }
    document["ip"] = connection.ip;
    document["transport"] = connection.transport;
    const std::string text = document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
    const std::string beside = connection.path + ".new";
    ::unlink(beside.c_str());
    const sandbox::UniqueFd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.valid() || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::rename(beside.c_str(), connection.path.c_str()) != 0) {
        return sandbox::errno_error("write the ports into " + connection.path);
    }
    return sandbox::Ok{};
}

}  // namespace cellblock::kernel
