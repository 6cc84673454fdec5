// What a connection file may say, and what it may leave out.
#include "kernel/jupyter/connection.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "kernel/jupyter/heartbeat.h"
#include "kernel/jupyter/sockets.h"
#include "tests/unit/catch.h"

namespace {

using namespace cellblock::kernel;
using nlohmann::json;

json whole() {
    return {{"transport", "tcp"}, {"ip", "127.0.0.1"}, {"signature_scheme", "hmac-sha512"},
            {"key", "k"},         {"shell_port", 1},   {"control_port", 2},
            {"stdin_port", 3},    {"iopub_port", 4},   {"hb_port", 5}};
}

Connection parsed(const json& document) {
    auto connection = parse_connection(document.dump(), "/run/kernel-1.json");
    INFO((connection.ok() ? "" : connection.error().text()));
    REQUIRE(connection.ok());
    return *connection;
}

std::string refusal(const std::string& text) {
    const auto connection = parse_connection(text, "/run/kernel-1.json");
    REQUIRE_FALSE(connection.ok());
    return connection.error().text();
}

// A file of one test's own.
struct File {
    explicit File(const std::string& text) { std::ofstream(path) << text; }
    ~File() { std::filesystem::remove(path); }
    std::string path =
        std::filesystem::temp_directory_path() / ("connection-test-" + std::to_string(::getpid()) + ".json");
};

}  // namespace

TEST_CASE("a whole connection file is read") {
    const Connection connection = parsed(whole());
    CHECK(connection.signature_scheme == "hmac-sha512");
    CHECK(connection.key == "k");
    CHECK(connection.endpoint(Channel::shell) == "tcp://127.0.0.1:1");
    CHECK(connection.endpoint(Channel::control) == "tcp://127.0.0.1:2");
    CHECK(connection.endpoint(Channel::input) == "tcp://127.0.0.1:3");
    CHECK(connection.endpoint(Channel::iopub) == "tcp://127.0.0.1:4");
    CHECK(connection.endpoint(Channel::heartbeat) == "tcp://127.0.0.1:5");
}

TEST_CASE("keys of CurveZMQ come as a pair, or not at all") {
    json document = whole();
    CHECK(parsed(document).curve_secret.empty());
    document["curve_publickey"] = nullptr;
    document["curve_secretkey"] = "";
    CHECK(parsed(document).curve_secret.empty());
    char secret[41];
    char open[41];
    REQUIRE(zmq_curve_keypair(open, secret) == 0);
    document["curve_publickey"] = open;
    document["curve_secretkey"] = secret;
    CHECK(parsed(document).curve_public == open);
    CHECK(parsed(document).curve_secret == secret);
    document["curve_publickey"] = std::string(40, 'x');
    CHECK(refusal(document.dump()).find("aren't a pair") != std::string::npos);
    CHECK(refusal(document.dump()).find(secret) == std::string::npos);
    document.erase("curve_publickey");
    CHECK(refusal(document.dump()).find("both or not at all") != std::string::npos);
}

TEST_CASE("what is left out, empty or null has a default") {
    for (const char* name : {"transport", "ip", "signature_scheme", "key"}) {
        json without = whole();
        without.erase(name);
        json empty = whole();
        empty[name] = "";
        json null = whole();
        null[name] = nullptr;
        for (const json& document : {without, empty, null}) {
            const Connection connection = parsed(document);
            CHECK(connection.transport == "tcp");
            CHECK(connection.ip == "127.0.0.1");
            CHECK(connection.signature_scheme ==
                  (std::string(name) == "signature_scheme" ? "hmac-sha256" : "hmac-sha512"));
            CHECK(connection.key == (std::string(name) == "key" ? "" : "k"));
        }
    }
}

TEST_CASE("unknown fields are tolerated") {
    json document = whole();
    document["kernel_name"] = "";
    document["new"] = {1, {{"deep", nullptr}}};
    CHECK(parsed(document).port(Channel::shell) == 1);
}

TEST_CASE("addresses of other kinds") {
    json document = whole();
    document["transport"] = "ipc";
    document["ip"] = "/run/x";
    CHECK(parsed(document).endpoint(Channel::iopub) == "ipc:///run/x-4");
    document["ip"] = "";
    CHECK(parsed(document).endpoint(Channel::iopub) == "ipc:///run/kernel-1-ipc-4");
    document = whole();
    document["ip"] = "::1";
    CHECK(parsed(document).endpoint(Channel::shell) == "tcp://[::1]:1");
    document["ip"] = "*";
    document["shell_port"] = 0;
    CHECK(parsed(document).endpoint(Channel::shell) == "tcp://*:*");
}

TEST_CASE("rubbish is refused by the file's name and the field's") {
    for (const char* text : {"", "{", "[]", "7", "null", "\xff"}) {
        CHECK(refusal(text).find("/run/kernel-1.json") != std::string::npos);
    }
    for (const char* name : kPortNames) {
        for (const json& bad : {json("x"), json(-1), json(65'536), json(99'999'999'999), json(1.5),
                                json(nullptr), json::array()}) {
            json document = whole();
            document[name] = bad;
            CHECK(refusal(document.dump()).find(name) != std::string::npos);
        }
        json document = whole();
        document.erase(name);
        CHECK(refusal(document.dump()).find(name) != std::string::npos);
    }
    for (const char* name : {"transport", "ip", "signature_scheme", "key"}) {
        json document = whole();
        document[name] = 5;
        CHECK(refusal(document.dump()).find(name) != std::string::npos);
    }
    json document = whole();
    document["transport"] = "udp";
    CHECK(refusal(document.dump()).find("udp") != std::string::npos);
}

TEST_CASE("a file that isn't there is an error that names it") {
    const auto connection = read_connection("/nowhere/at-all.json");
    REQUIRE_FALSE(connection.ok());
    CHECK(connection.error().text().find("/nowhere/at-all.json") != std::string::npos);
}

TEST_CASE("ports that were 0 are chosen and written back, for the owner alone") {
    json document = whole();
    for (const char* name : kPortNames) {
        document[name] = 0;
    }
    document["kernel_name"] = "kept";
    const File file(document.dump());
    auto connection = read_connection(file.path);
    REQUIRE(connection.ok());
    const auto sockets = Sockets::bind(*connection);
    REQUIRE(sockets.ok());
    const auto heartbeat = Heartbeat::start(*connection);
    REQUIRE(heartbeat.ok());
    REQUIRE(write_connection(*connection).ok());
    const auto again = read_connection(file.path);
    REQUIRE(again.ok());
    std::set<int> ports(again->ports.begin(), again->ports.end());
    CHECK(ports.size() == kChannels);
    CHECK(ports.count(0) == 0);
    CHECK(again->document["kernel_name"] == "kept");
    CHECK(again->key == "k");
    CHECK((std::filesystem::status(file.path).permissions() & std::filesystem::perms::mask) ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("an occupied port is an error that names it") {
    json document = whole();
    for (const char* name : kPortNames) {
        document[name] = 0;
    }
    Connection first = parsed(document);
    const auto sockets = Sockets::bind(first);
    REQUIRE(sockets.ok());
    Connection second = parsed(document);
    second.set_port(Channel::iopub, first.port(Channel::iopub));
    const auto refused = Sockets::bind(second);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().text().find("iopub_port " + std::to_string(first.port(Channel::iopub))) !=
          std::string::npos);
}

TEST_CASE("a message is told of, whatever its socket is used for as it comes, and nothing else is") {
    using Clock = std::chrono::steady_clock;
    json document = whole();
    for (const char* name : kPortNames) {
        document[name] = 0;
    }
    Connection connection = parsed(document);
    const auto bound = Sockets::bind(connection);
    REQUIRE(bound.ok());
    Sockets& sockets = **bound;
    zmq::context_t context;
    zmq::socket_t client(context, zmq::socket_type::dealer);
    client.set(zmq::sockopt::linger, 0);
    client.connect(connection.endpoint(Channel::shell));
    for (int i = 0; i < 500; ++i) {
        const std::string text = std::to_string(i);
        client.send(zmq::buffer(text), zmq::send_flags::none);
        for (int n = 0; n < i % 4; ++n) {
            sockets.send(Channel::shell, {"nobody", "x"});  // ZMQ takes in what has come, too
        }
        if (i % 3 == 0) {
            (void)sockets.wait({Channel::shell, Channel::control}, {}, std::chrono::milliseconds(0));
        }
        const Readable readable =
            sockets.wait({Channel::control, Channel::shell}, {}, std::chrono::seconds(30));
        REQUIRE(readable.on(Channel::shell));
        CHECK_FALSE(readable.on(Channel::control));
        const auto frames = sockets.receive(Channel::shell);
        REQUIRE(frames);
        CHECK(frames->back() == text);
    }
    zmq::socket_t another(context, zmq::socket_type::dealer);
    another.set(zmq::sockopt::linger, 0);
    another.connect(connection.endpoint(Channel::shell));  // news for the socket, but no message
    const auto begun = Clock::now();
    CHECK_FALSE(sockets.wait({Channel::shell}, {}, std::chrono::milliseconds(200)).on(Channel::shell));
    CHECK(Clock::now() - begun >= std::chrono::milliseconds(200));
}

TEST_CASE("the heartbeat echoes any bytes") {
    json document = whole();
    document["hb_port"] = 0;
    Connection connection = parsed(document);
    const auto heartbeat = Heartbeat::start(connection);
    REQUIRE(heartbeat.ok());
    zmq::context_t context;
    zmq::socket_t client(context, zmq::socket_type::req);
    client.set(zmq::sockopt::linger, 0);
    client.set(zmq::sockopt::rcvtimeo, 10'000);
    client.connect(connection.endpoint(Channel::heartbeat));
    for (const std::string& beat : {std::string("ping"), std::string(), std::string("\0\xff", 2)}) {
        client.send(zmq::buffer(beat), zmq::send_flags::none);
        zmq::message_t echo;
        REQUIRE(client.recv(echo).has_value());
        CHECK(echo.to_string() == beat);
    }
}
