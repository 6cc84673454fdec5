// Reading a client's request of the network's broker, whole and in pieces, with what holds of each result.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "sandbox/network/proxy_request.h"
#include "tests/fuzz/must.h"

struct ProxyReading {
    cellblock::sandbox::network::ProxyStep step;  // the last one
    std::string replies;                          // of all steps
};

inline ProxyReading read_in_pieces(std::string_view bytes, std::size_t piece) {
    using Kind = cellblock::sandbox::network::ProxyStep::Kind;
    cellblock::sandbox::network::ProxyReader reader;
    ProxyReading reading;
    while (!bytes.empty() && reading.step.kind == Kind::more) {
        const auto now = std::min(piece, bytes.size());
        reading.step = reader.feed(bytes.substr(0, now));
        reading.replies += reading.step.reply;
        bytes.remove_prefix(now);
    }
    return reading;
}

// The whole at once. What was asked for must be the same where the bytes come one by one, or of many a few.
inline ProxyReading read_both_ways(std::string_view bytes) {
    using namespace cellblock::sandbox;
    using Kind = network::ProxyStep::Kind;
    auto whole = read_in_pieces(bytes, bytes.size());
    const auto slow = read_in_pieces(bytes, 1 + bytes.size() / 200);  // each piece has the head read anew
    const auto& ask = whole.step.ask;
    must((whole.step.kind == Kind::refused) == !whole.step.complaint.empty());
    if (whole.step.kind == Kind::asked) {
        must(slow.step.kind == Kind::asked && slow.step.ask.kind == ask.kind &&
             slow.step.ask.host == ask.host && slow.step.ask.port == ask.port &&
             slow.step.ask.head == ask.head && slow.replies == whole.replies);
        must(bytes.ends_with(ask.rest));
        must(read_host(ask.host.text) == ask.host && ask.port != 0);
    } else {
        must(slow.step.kind == whole.step.kind && slow.replies == whole.replies);
    }
    return whole;
}
