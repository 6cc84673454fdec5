// The format, and its bounds.
#include "sandbox/relay/mux.h"

#include <algorithm>
#include <utility>

#include "sandbox/base/bytes.h"

namespace cellblock::sandbox::relay {

namespace {

constexpr std::size_t kHeader = 9;  // kind, channel, length
// Credit for single bytes would let a far end that reads nothing fill our memory with it.
constexpr std::uint32_t kCreditAtOnce = kWindow / 4;
constexpr std::size_t kMostUrgent = 1024;  // frames

Error violation(const std::string& what) {
    return Error{"the relay in the sandbox broke its protocol", 0, what, {}};
}

}  // namespace

Mux::Mux() {
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
    if (channels_.size() > kMostChannels) {
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

void Mux::taken(std::uint32_t number, std::uint32_t bytes) {
    const auto found = channels_.find(number);
    if (found == channels_.end() || found->second.closed_there) {
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
        if (found == channels_.end() || found->second.closed_there) {
            state = violation("a frame for channel " + std::to_string(number) + ", which isn't open");
        } else if (kind == Kind::data) {
            if (length > kMostData || length > found->second.allowed) {
                state = violation("more bytes than it was allowed");
            } else if (frame.size() < kHeader + length) {
                break;
            } else {
                state = take_data(number, found->second, frame.substr(kHeader, length));
                at += length;
            }
        } else if (kind == Kind::credit && length <= kWindow - found->second.room) {
            found->second.room += length;
        } else if (kind == Kind::close && length == 0 && number != kWarden) {
            found->second.closed_there = true;
            arrivals_.push_back({number, {}, true});
            forget_if_done(number);
        } else {
            state = violation("an unknown frame");
        }
        at += kHeader;
    }
    input_.erase(0, at);
    if (state && urgent_.size() > kMostUrgent) {
        return violation("it sends, and reads nothing");
    }
    return state;
}

Status Mux::take_data(std::uint32_t number, Channel& channel, std::string_view bytes) {
    channel.allowed -= static_cast<std::uint32_t>(bytes.size());
    if (channel.closed_here) {
        taken(number, static_cast<std::uint32_t>(bytes.size()));  // thrown away
    } else {
        arrivals_.push_back({number, std::string(bytes), false});
    }
    return Ok{};
}

void Mux::forget_if_done(std::uint32_t number) {
    const auto found = channels_.find(number);
    if (found != channels_.end() && found->second.closed_here && found->second.closed_there) {
        channels_.erase(found);
    }
}

}  // namespace cellblock::sandbox::relay
