// The format, and its bounds.
#include "sandbox/relay/mux.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "sandbox/base/bytes.h"

namespace cellblock::sandbox::relay {

namespace {

constexpr std::size_t kHeader = 9;  // kind, channel, length
// Credit for single bytes would let a far end that reads nothing fill our memory with it.
constexpr std::uint32_t kCreditAtOnce = kWindow / 4;
constexpr std::size_t kMostUrgent = 1024;  // frames
constexpr std::size_t kManyInBulk = 32;    // frames

Error violation(const std::string& what) {
    return Error{"the relay in the sandbox broke its protocol", 0, what, {}};
}

}  // namespace

Mux::Mux(std::uint32_t connections) : permitted_(connections) {
    channels_[kWarden];
}

// --- towards the inside

void Mux::put(Kind kind, std::uint32_t channel, std::uint32_t length, std::string_view bytes) {
    std::string frame(1, static_cast<char>(kind));
    append_big_endian(frame, channel);
    append_big_endian(frame, length);
    frame += bytes;
    // A channel's opening must come before the control's word of it.
    const bool first = channel == kWarden || kind == Kind::open || kind == Kind::credit;
    (first ? urgent_ : bulk_).push_back(std::move(frame));
}

Result<std::uint32_t> Mux::open() {
    const auto end = channels_.upper_bound(kConnections);
    if (static_cast<std::size_t>(std::distance(channels_.begin(), end)) > kMostChannels) {
        return violation("it doesn't close what it should");
    }
    channels_[++last_];
    put(Kind::open, last_, 0);
    return last_;
}

std::uint32_t Mux::room(std::uint32_t channel) const {
    const auto found = channels_.find(channel);
    return found == channels_.end() || found->second.closed_here ? 0 : found->second.room;
}

void Mux::send(std::uint32_t channel, std::string_view bytes) {
    channels_[channel].room -= static_cast<std::uint32_t>(bytes.size());
    put(Kind::data, channel, static_cast<std::uint32_t>(bytes.size()), bytes);
}

void Mux::close(std::uint32_t channel) {
    const auto found = channels_.find(channel);
    if (found != channels_.end() && !found->second.closed_here) {
        found->second.closed_here = true;
        put(Kind::close, channel, 0);
        forget_if_done(channel);
    }
}

void Mux::end(std::uint32_t channel) {
    const auto found = channels_.find(channel);
    if (found != channels_.end() && !found->second.ended_here) {
        found->second.closed_here = true;
        found->second.ended_here = true;
        put(Kind::end, channel, 0);
        forget_if_done(channel);
    }
}

void Mux::permit_connection() {
    --over_;
    ++permitted_;
    put(Kind::credit, kConnections, 1);
}

bool Mux::is_full() const {
    return bulk_.size() > kManyInBulk;
}

void Mux::taken(std::uint32_t number, std::uint32_t bytes) {
    const auto found = channels_.find(number);
    if (found == channels_.end() || found->second.closed_there || found->second.ended_here) {
        return;
    }
    auto& channel = found->second;
    channel.owed += bytes;
    if (channel.owed >= kCreditAtOnce) {
        channel.allowed += channel.owed;
        put(Kind::credit, number, channel.owed);
        channel.owed = 0;
    }
}

std::string_view Mux::next() const {
    const auto& queue = in_bulk_ || urgent_.empty() ? bulk_ : urgent_;
    return queue.empty() ? std::string_view() : std::string_view(queue.front()).substr(sent_);
}

void Mux::written(std::size_t bytes) {
    auto& queue = in_bulk_ || urgent_.empty() ? bulk_ : urgent_;
    sent_ += bytes;
    in_bulk_ = &queue == &bulk_;  // a frame that was begun is sent to its end
    if (sent_ == queue.front().size()) {
        queue.pop_front();
        sent_ = 0;
        in_bulk_ = false;
    }
}

// --- from the inside

Status Mux::feed(std::string_view bytes) {
    if (!greeted_) {
        return listen_for_greeting(bytes);
    }
    input_ += bytes;
    return read_frames();
}

// A login shell's words of welcome, say, are no part of it.
Status Mux::listen_for_greeting(std::string_view bytes) {
    noise_ += bytes;
    const auto at = noise_.find(kGreeting);
    if (at != std::string::npos) {
        greeted_ = true;
        input_ = noise_.substr(at + kGreeting.size());
        noise_.resize(at);
        return read_frames();
    }
    if (noise_.size() > kMostNoise) {
        return Error{
            "start the sandbox's Python", 0, "what was started prints, and is no Python of ours", {}};
    }
    return Ok{};
}

Status Mux::read_frames() {
    std::size_t at = 0;
    Status state = Ok{};
    while (state && input_.size() - at >= kHeader) {
        const std::string_view frame = std::string_view(input_).substr(at);
        const auto kind = static_cast<Kind>(frame[0]);
        const std::uint32_t number = big_endian(frame.data() + 1);
        const std::uint32_t length = big_endian(frame.data() + 5);
        const auto found = channels_.find(number);
        std::size_t size = 0;
        if (kind == Kind::open) {
            state = take_open(number, length);
        } else if (found == channels_.end() || found->second.ended_there) {
            state = violation("a frame for channel " + std::to_string(number) + ", which isn't open");
        } else if (kind == Kind::data && !found->second.closed_there && length <= kMostData &&
                   length <= found->second.allowed && frame.size() < kHeader + length) {
            break;
        } else {
            size = kind == Kind::data ? length : 0;
            state = take_frame(kind, number, length, frame.substr(kHeader, size));
        }
        at += kHeader + size;
    }
    input_.erase(0, std::min(at, input_.size()));
    if (state && urgent_.size() > kMostUrgent) {
        return violation("it sends, and reads nothing");
    }
    return state;
}

// The channel's own other than `open`. All bytes of a data frame that is within its bounds have come.
Status Mux::take_frame(Kind kind, std::uint32_t number, std::uint32_t length, std::string_view bytes) {
    Channel& channel = channels_.at(number);
    const bool may_close = length == 0 && number != kWarden && !channel.closed_there;
    // A worker's channel has one end for both directions.
    if (channel.closed_there && (kind == Kind::data || kind == Kind::close || !is_connection(number))) {
        return violation("a frame for channel " + std::to_string(number) + ", which is closed");
    }
    if (kind == Kind::data && length <= kMostData && length <= channel.allowed) {
        return take_data(number, channel, bytes);
    }
    if (kind == Kind::data) {
        return violation("more bytes than it was allowed");
    }
    if (kind == Kind::credit && length <= kWindow - channel.room) {
        channel.room += length;
        return Ok{};
    }
    if (kind == Kind::close && may_close) {
        channel.closed_there = true;
        arrivals_.push_back({number, {}, Kind::close});
        forget_if_done(number);
        return Ok{};
    }
    if (kind == Kind::end && length == 0 && is_connection(number)) {
        channel.ended_there = true;
        arrivals_.push_back({number, {}, Kind::end});
        forget_if_done(number);
        return Ok{};
    }
    return violation("an unknown frame");
}

Status Mux::take_open(std::uint32_t number, std::uint32_t length) {
    if (permitted_ == 0) {
        return violation("it opens more connections than it was permitted");
    }
    if (number != last_connection_ + 1 || !is_connection(number) || length != 0) {
        return violation("it opens channel " + std::to_string(number) +
                         ", which isn't the next connection's");
    }
    --permitted_;
    last_connection_ = number;
    channels_[number];
    arrivals_.push_back({number, {}, Kind::open});
    return Ok{};
}

Status Mux::take_data(std::uint32_t number, Channel& channel, std::string_view bytes) {
    channel.allowed -= static_cast<std::uint32_t>(bytes.size());
    const bool is_wanted = is_connection(number) ? !channel.ended_here : !channel.closed_here;
    if (is_wanted) {
        arrivals_.push_back({number, std::string(bytes), Kind::data});
    } else {
        taken(number, static_cast<std::uint32_t>(bytes.size()));  // thrown away
    }
    return Ok{};
}

void Mux::forget_if_done(std::uint32_t number) {
    const auto found = channels_.find(number);
    if (found == channels_.end()) {
        return;
    }
    const Channel& channel = found->second;
    if (is_connection(number) ? channel.ended_here && channel.ended_there
                              : channel.closed_here && channel.closed_there) {
        channels_.erase(found);
        over_ += is_connection(number) ? 1 : 0;
    }
}

}  // namespace cellblock::sandbox::relay
