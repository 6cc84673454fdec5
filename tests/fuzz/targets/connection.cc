// A connection file.
#include <cstdint>
#include <string_view>

#include "kernel/jupyter/connection.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto connection = cellblock::kernel::parse_connection(text, "file");
    if (connection) {
        for (std::size_t channel = 0; channel < cellblock::kernel::kChannels; ++channel) {
            (void)connection->endpoint(static_cast<cellblock::kernel::Channel>(channel));
        }
    }
    return 0;
}
