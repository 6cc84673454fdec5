// Fields: reads a frame's fields one by one and checks them against their table in FRAMES.md.
//
// A reader asks for every field of the table and checks once, at the end:
//
//     Fields fields(frame);
//     ClearOutput out{fields.number("cell"), fields.flag("wait")};
//     if (auto good = fields.finish(); !good) {
//         return good.error();   // a violation
//     }
//
// The first fault is remembered, and reading goes on with empty values. A field that nobody has asked for is
// a fault too, and so is a buffer that no field named. Fields refers to the frame and moves texts and buffers
// out of it, each buffer once. For one thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/api/types.h"
#include "sandbox/channel/frame.h"

namespace cellblock::sandbox {

constexpr std::size_t kNameBytes = 1024;      // types, identifiers
constexpr std::size_t kTextBytes = 8U << 20;  // texts for people
constexpr std::size_t kListItems = 10'000;
constexpr std::size_t kMetadataBytes = 1U << 20;
constexpr std::size_t kReplyBytes = 8U << 20;   // of a query, of a debugger; expressions, payload
constexpr std::size_t kStateBytes = 16U << 20;  // a comm's data

class Fields {
public:
    explicit Fields(Frame& frame) : frame_(frame), type_(frame.type()) {}

    [[nodiscard]] bool good() const { return !error_; }
    void fail(const std::string& field);
    // Call after the last field. Error: the first fault.
    Status finish();

    std::string text(const char* name, std::size_t max = kTextBytes);
    std::optional<std::string> optional_text(const char* name, std::size_t max = kNameBytes);
    std::vector<std::string> texts(const char* name);
    bool flag(const char* name);
    std::uint64_t number(const char* name, std::uint64_t max = static_cast<std::uint64_t>(
                                               std::numeric_limits<std::int64_t>::max()));
    std::int64_t integer(const char* name);  // within the 53 bits that JSON keeps exactly
    std::optional<int> optional_int(const char* name);
    bool is_null(const char* name);

    // Fields that are indices of buffers: any bytes; UTF-8; a text that begins with `bracket`, of which the
    // cleaner finds out whether it is JSON (outputs/cleaner.h); a list of buffers; a display's `data`.
    std::string buffer(const char* name);
    std::string buffer_text(const char* name);
    RawJson raw(const char* name, char bracket, std::size_t max);
    std::vector<std::string> buffers(const char* name);
    std::vector<MimeItem> mime_bundle(const char* name);
    // A list of [name, kind, size, modified].
    std::vector<FileEntry> file_entries(const char* name);

    template <class Value>
    Value one_of(const char* name, std::initializer_list<std::pair<const char*, Value>> values) {
        const std::string given = text(name, kNameBytes);
        for (const auto& [word, value] : values) {
            if (given == word) {
                return value;
            }
        }
        fail(name);
        return values.begin()->second;
    }

private:
    nlohmann::json* find(const char* name);
    std::string buffer_at(const nlohmann::json& index, const char* name);
    std::string text_at(const nlohmann::json& index, const char* name);
    RawJson raw_at(const nlohmann::json& index, const char* name);

    Frame& frame_;
    std::string type_;
    std::optional<Error> error_;
    std::vector<std::string_view> asked_for_;  // names of fields
    std::set<std::size_t> taken_;              // indices of buffers
};

}  // namespace cellblock::sandbox
