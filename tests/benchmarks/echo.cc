// A kernel that runs nothing: it answers each execute_request with messages that were made before.
//
//     bench_echo CONNECTION_FILE
//
// Purpose: the floor under a round trip. The same client waits for the same messages over the same sockets,
// and between them lies nothing but ZeroMQ, a signature and a look at the request's type. It answers `6 * 7`
// with its result and all else with none; a shutdown_request ends it.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>
#include <zmq.hpp>
#include <zmq_addon.hpp>

#include "kernel/jupyter/wire.h"

namespace {

using namespace cellblock::kernel;
using nlohmann::json;

constexpr const char* kResult = R"({"data":{"text/plain":"42"},"metadata":{},"execution_count":1})";
constexpr const char* kInput = R"({"code":"","execution_count":1})";
constexpr const char* kReply = R"({"status":"ok","execution_count":1,"user_expressions":{},"payload":[]})";

std::string header_of(const std::string& type) {
    return json{
        {"msg_id", "ready-made"},         {"msg_type", type}, {"username", "echo"}, {"session", "echo"},
        {"date", "2026-01-01T00:00:00Z"}, {"version", "5.3"}}
        .dump();
}

class Echo {
public:
    Echo(const json& info, Signer signer)
        : signer_(std::move(signer)),
          shell_(context_, ZMQ_ROUTER),
          control_(context_, ZMQ_ROUTER),
          iopub_(context_, ZMQ_PUB) {
        const std::string place = "tcp://" + info["ip"].get<std::string>() + ":";
        shell_.bind(place + std::to_string(info["shell_port"].get<int>()));
        control_.bind(place + std::to_string(info["control_port"].get<int>()));
        iopub_.bind(place + std::to_string(info["iopub_port"].get<int>()));
    }

    // Returns at the end.
    void run() {
        zmq::pollitem_t wanted[] = {{shell_.handle(), 0, ZMQ_POLLIN, 0},
                                    {control_.handle(), 0, ZMQ_POLLIN, 0}};
        while (zmq::poll(wanted, 2, std::chrono::milliseconds(-1)) > 0) {
            if ((wanted[0].revents & ZMQ_POLLIN) != 0) {
                answer(shell_);
            }
            if ((wanted[1].revents & ZMQ_POLLIN) != 0 && answer(control_)) {
                return;
            }
        }
    }

private:
    // True: it was asked to end.
    bool answer(zmq::socket_t& socket) {
        std::vector<zmq::message_t> frames;
        (void)zmq::recv_multipart(socket, std::back_inserter(frames));
        std::size_t at = 0;
        while (at < frames.size() && frames[at].to_string_view() != kDelimiter) {
            ++at;
        }
        if (frames.size() < at + 6) {
            return false;
        }
        const std::string who = frames[0].to_string();
        const std::string header = frames[at + 2].to_string();
        const std::string type = json::parse(header).value("msg_type", "");
        const bool has_result = frames[at + 5].to_string_view().find("6 * 7") != std::string_view::npos;
        publish("status", header, R"({"execution_state":"busy"})");
        if (type == "execute_request") {
            publish("execute_input", header, kInput);
            if (has_result) {
                publish("execute_result", header, kResult);
            }
        }
        send(socket, who, type.substr(0, type.rfind('_')) + "_reply", header, kReply);
        publish("status", header, R"({"execution_state":"idle"})");
        return type == "shutdown_request";
    }

    void publish(const std::string& type, const std::string& parent, const char* content) {
        send(iopub_, "kernel.echo." + type, type, parent, content);
    }

    void send(zmq::socket_t& socket, const std::string& first, const std::string& type,
              const std::string& parent, const std::string& content) {
        const std::string header = header_of(type);
        const std::vector<std::string> parts{first,
                                             std::string(kDelimiter),
                                             signer_.sign({header, parent, "{}", content}),
                                             header,
                                             parent,
                                             "{}",
                                             content};
        for (std::size_t i = 0; i < parts.size(); ++i) {
            socket.send(zmq::buffer(parts[i]),
                        i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
        }
    }

    Signer signer_;
    zmq::context_t context_{1};
    zmq::socket_t shell_;
    zmq::socket_t control_;
    zmq::socket_t iopub_;
};

}  // namespace

int main(int count, char** arguments) {
    std::ifstream file(count == 2 ? arguments[1] : "");
    const json info = json::parse(file, nullptr, false);
    if (!info.is_object()) {
        std::cerr << "usage: bench_echo CONNECTION_FILE\n";
        return 2;
    }
    auto signer = Signer::create(info["signature_scheme"], info["key"]);
    if (!signer) {
        std::cerr << signer.error().text() << "\n";
        return 2;
    }
    Echo(info, std::move(*signer)).run();
    return EXIT_SUCCESS;
}
