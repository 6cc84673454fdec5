// Writes JSON objects as text, and cuts a member out of one, without parsing the values.
//
// A message's content often holds JSON that a sandbox or a client wrote. Such a value is spliced in as it
// stands, because a parser would round numbers that fit no double. Texts and bytes are encoded straight into
// the object, so a large one is copied once.
//
//     ObjectText content;
//     content.text("name", "stdout").raw("data", R"({"a":1})");
//     content.begin("more").base64("image/png", bytes).end();
//     send(content.finish());
//
// All of it is plain values without shared state. Nothing fails: invalid UTF-8 becomes U+FFFD.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::kernel {

// `text` as a JSON string, quotes included.
std::string json_string(std::string_view text);
// `texts` as a JSON array of strings.
std::string json_strings(const std::vector<std::string>& texts);

// `bytes` in base64 as Jupyter clients expect it: one line, padded.
std::string base64(std::string_view bytes);

// One JSON object that grows member by member. Names aren't checked for duplicates.
class ObjectText {
public:
    // `expected_bytes`: how long the text will become; a good guess spares a large object's being moved.
    explicit ObjectText(std::size_t expected_bytes = 0) { text_.reserve(expected_bytes); }

    ObjectText& text(std::string_view name, std::string_view value);
    ObjectText& number(std::string_view name, std::int64_t value) { return raw(name, std::to_string(value)); }
    ObjectText& flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
    // `json` is well-formed JSON, which stays as it is.
    ObjectText& raw(std::string_view name, std::string_view json);
    // `bytes` as a string of base64.
    ObjectText& base64(std::string_view name, std::string_view bytes);
    // A member that is an object: what follows goes into it until end().
    ObjectText& begin(std::string_view name);
    ObjectText& end();
    // The text; the object is empty afterwards and must not be used again.
    [[nodiscard]] std::string finish() { return std::move(text_) + "}"; }

private:
    void begin_member(std::string_view name, std::size_t value_bytes);

    std::string text_ = "{";
};

// How many bytes json_string(text) has, if few characters need an escape; and base64's.
std::size_t json_bytes(std::string_view text);
std::size_t base64_bytes(std::size_t bytes);

// The member `name` of `object` as it is written there, or nothing. `object` must be well-formed; of several
// members with that name the last one counts.
std::optional<std::string> member_text(std::string_view object, std::string_view name);

// JSON as one line, also for programs that end lines where Python's splitlines() does. To them a text of a
// cell's could be a whole line otherwise, and a message of the server's.
std::string as_one_line(const std::string& json);

// The time in UTC, always with six digits: "2026-01-02T03:04:05.000678Z".
std::string iso_date_now();

// A sandbox's text, in which there are no other sequences than those that begin with ESC [ and end with a
// letter, without them.
std::string without_colours(const std::string& text);

}  // namespace cellblock::kernel
