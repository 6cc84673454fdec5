// Several streams over one, as the host's side of a relay sees them.
//
// Purpose: the format that README.md here describes, without any descriptor. Channel 0 is the warden's
// control; the host opens the others, one for each of a worker's sockets. Where the policy allows hosts of
// the network, the inside opens channels too, one for each connection to the proxy, as many as it was
// permitted. Each direction of a channel may have kWindow bytes under way and no more, so that a flood on one
// never holds up another. Ownership: of the bytes that wait to be sent. Threads: one. Failure: bytes that
// break the format or a bound are an Error, and nothing more may be fed then. The bytes come from inside of a
// sandbox and are hostile.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::relay {

inline constexpr std::uint32_t kWarden = 0;
// No channel: credit for this number permits the inside to open as many channels more. Those have the numbers
// above, in their order.
inline constexpr std::uint32_t kConnections = 1U << 31;
// How many connections are permitted beyond the policy's number, for the broker to refuse in words.
inline constexpr std::uint32_t kSpareConnections = 4;
inline constexpr std::uint32_t kWindow = 256U << 10;
inline constexpr std::uint32_t kMostData = 64U << 10;  // in one frame
inline constexpr std::size_t kMostChannels = 16;
inline constexpr std::size_t kMostNoise = 64U << 10;  // before the greeting
inline constexpr std::string_view kGreeting{"\0cellblock relay 1\n", 19};

// `close`: the sender sends no more data. `end`, of connections alone: the sender neither sends nor takes
// anything more; a connection is over when both sides have said so.
enum class Kind : std::uint8_t { open = 1, data = 2, credit = 3, close = 4, end = 5 };

// The messages from inside, in their order.
struct Arrival {
    std::uint32_t channel = 0;
    std::string bytes;
    Kind kind = Kind::data;  // any but credit
};

inline bool is_connection(std::uint32_t channel) {
    return channel > kConnections;
}

class Mux {
public:
    // `connections`: how many channels the inside may open before more are permitted.
    explicit Mux(std::uint32_t connections = 0);

    // --- towards the inside
    Result<std::uint32_t> open();
    // How many bytes the inside can take now.
    [[nodiscard]] std::uint32_t room(std::uint32_t channel) const;
    // At most room() and kMostData bytes.
    void send(std::uint32_t channel, std::string_view bytes);
    // Nothing more is sent. What still comes is thrown away, unless the channel is a connection.
    void close(std::uint32_t channel);
    // Of a connection: nothing more is sent, and what still comes is thrown away.
    void end(std::uint32_t channel);
    // How many connections are over, and no other was permitted in their stead.
    [[nodiscard]] std::uint32_t connections_over() const { return over_; }
    // Permits the inside to open a connection in the stead of one that is over.
    void permit_connection();
    // So much waits for the inside that connections should be read no further.
    [[nodiscard]] bool is_full() const;
    // So many bytes of what came have been handed on. Credit for them goes out in portions.
    void taken(std::uint32_t number, std::uint32_t bytes);

    // Bytes for the inside's stdin; the control's go first.
    [[nodiscard]] bool wants_to_write() const { return !urgent_.empty() || !bulk_.empty(); }
    [[nodiscard]] std::string_view next() const;
    void written(std::size_t bytes);

    // --- from the inside
    Status feed(std::string_view bytes);
    [[nodiscard]] std::vector<Arrival> take_arrivals() { return std::exchange(arrivals_, {}); }
    [[nodiscard]] bool greeted() const { return greeted_; }
    // The text that was printed instead of a greeting, or before it.
    [[nodiscard]] const std::string& noise() const { return noise_; }

private:
    struct Channel {
        std::uint32_t room = kWindow;     // that we may send
        std::uint32_t allowed = kWindow;  // that they may send
        std::uint32_t owed = 0;           // of what they may send again
        bool closed_here = false;
        bool closed_there = false;
        bool ended_here = false;
        bool ended_there = false;
    };

    void put(Kind kind, std::uint32_t channel, std::uint32_t length, std::string_view bytes = {});
    Status listen_for_greeting(std::string_view bytes);
    Status read_frames();
    Status take_frame(Kind kind, std::uint32_t number, std::uint32_t length, std::string_view bytes);
    Status take_open(std::uint32_t number, std::uint32_t length);
    Status take_data(std::uint32_t number, Channel& channel, std::string_view bytes);
    void forget_if_done(std::uint32_t number);

    std::map<std::uint32_t, Channel> channels_;
    std::uint32_t last_ = 0;
    std::uint32_t last_connection_ = kConnections;
    std::uint32_t permitted_ = 0;  // connections that the inside may open now
    std::uint32_t over_ = 0;
    std::deque<std::string> urgent_;
    std::deque<std::string> bulk_;
    bool in_bulk_ = false;  // a frame of it has been sent in part
    std::size_t sent_ = 0;  // of the frame that is being sent
    bool greeted_ = false;
    std::string noise_;
    std::string input_;
    std::vector<Arrival> arrivals_;
};

}  // namespace cellblock::sandbox::relay
