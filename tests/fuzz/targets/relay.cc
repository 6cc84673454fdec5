// What a far end may send to the relay.
#include <cstdint>
#include <string_view>

#include "sandbox/relay/mux.h"

using namespace cellblock::sandbox::relay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    Mux mux(3);
    (void)mux.feed(kGreeting);
    const auto channel = mux.open();
    const std::size_t half = size / 2;
    for (const auto part : {bytes.substr(0, half), bytes.substr(half)}) {
        if (!mux.feed(part).ok()) {
            break;
        }
        for (const auto& arrival : mux.take_arrivals()) {
            mux.taken(arrival.channel, static_cast<std::uint32_t>(arrival.bytes.size()));
            if (arrival.kind == Kind::end) {
                mux.end(arrival.channel);
            }
        }
    }
    while (mux.connections_over() > 0) {
        mux.permit_connection();
    }
    mux.close(*channel);
    mux.close(kConnections + 1);
    mux.end(kConnections + 2);
    while (mux.wants_to_write()) {
        mux.written(mux.next().size());
    }
    return 0;
}
