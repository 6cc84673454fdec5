// JSON objects composed and taken apart as text.
//
// Purpose: what a sandbox or a client gives as JSON passes through to the
// letter: a parsed number could be rounded on the way.
// Ownership: plain values. Threads: no shared state. Failure: none; invalid
// UTF-8 is replaced.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::kernel {

// A JSON string, quotes included.
std::string json_string(std::string_view text);
std::string json_strings(const std::vector<std::string>& texts);

// Composes one object, member by member.
class ObjectText {
public:
    ObjectText& text(std::string_view name, std::string_view value);
    ObjectText& number(std::string_view name, std::int64_t value) { return raw(name, std::to_string(value)); }
    ObjectText& flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
    // `json` is JSON text.
    ObjectText& raw(std::string_view name, std::string_view json);
    [[nodiscard]] std::string finish() { return std::move(text_) + "}"; }

private:
    void begin_member(std::string_view name, std::size_t value_bytes);

    std::string text_ = "{";
};

// The text of that member of an object, as it stands. `object` must be
// well-formed; of several members of that name the last counts.
std::optional<std::string> member_text(std::string_view object, std::string_view name);

// "2026-01-02T03:04:05.000678Z": UTC, always six digits.
std::string iso_date_now();

}  // namespace cellblock::kernel
