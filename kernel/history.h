// What the user ran, for history requests.
//
// Purpose: inputs and the text of their results, kept by the kernel: it
// survives workers that die. One session, number 1; "session 0" means it too.
// Ownership: plain values, bounded in count and bytes; the oldest go first.
// Threads: one. Failure: a request's odd fields get their defaults.
#pragma once

#include <cstdint>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::kernel {

class History {
public:
    static constexpr std::size_t kMaxLines = 10'000;
    static constexpr std::size_t kMaxBytes = 32U << 20;
    static constexpr std::size_t kMaxOutputBytes = 64U << 10;  // of one result; longer ones aren't kept
    static constexpr int kSession = 1;

    void store(int line, std::string input);
    void store_output(int line, std::string text);

    // The value of "history" in a reply: [[session, line, input or [input, output]], ...]
    [[nodiscard]] nlohmann::json answer(const nlohmann::json& request) const;

private:
    struct Line {
        int number = 0;
        std::string input;
        std::optional<std::string> output;
    };
    using Chosen = std::vector<const Line*>;

    [[nodiscard]] Chosen tail(std::size_t n) const;
    [[nodiscard]] Chosen range(std::int64_t session, std::int64_t start,
                               std::optional<std::int64_t> stop) const;
    [[nodiscard]] Chosen search(const std::string& pattern, bool unique, std::optional<std::size_t> n) const;
    void forget_oldest();

    std::deque<Line> lines_;
    std::size_t bytes_ = 0;
};

// A shell's pattern over the whole of `text`: * any, ? one character, [a-z] one
// of these, [^a] none of them. Takes time in the product of both lengths at most.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace cellblock::kernel
