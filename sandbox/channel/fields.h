// A frame's fields, read one by one with their schema checked.
//
// Purpose: the first field that breaks the schema is remembered; reading goes
// on with empty values, so that a reader needs one check, finish(), at its end.
// A field that nobody asked for breaks the schema too, as does a buffer that no
// field named.
// Ownership: refers to the frame; texts and buffers are moved out of it, each
// buffer once. Threads: one. Failure: finish().
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
constexpr std::size_t kTextBytes = 8U << 20;  // whatever a person reads
constexpr std::size_t kListItems = 10'000;
constexpr std::size_t kMetadataBytes = 1U << 20;
constexpr std::size_t kReplyBytes = 8U << 20;   // of a query, of a debugger; expressions, payload
constexpr std::size_t kStateBytes = 16U << 20;  // a comm's data

class Fields {
public:
    explicit Fields(Frame& frame) : frame_(frame), type_(frame.type()) {}

    [[nodiscard]] bool good() const { return !error_; }
    void fail(const std::string& field);
    // After the last field: the first thing that was wrong.
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

    // Fields that are indices of buffers: any bytes; UTF-8; a text that begins with `bracket` and is to be
    // JSON, which the cleaner finds out (outputs/cleaner.h); a list.
    std::string buffer(const char* name);
    std::string buffer_text(const char* name);
    RawJson raw(const char* name, char bracket, std::size_t max);
    std::vector<std::string> buffers(const char* name);
    std::vector<MimeItem> mime_bundle(const char* name);

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
    std::set<std::size_t> taken_;              // buffers
};

}  // namespace cellblock::sandbox
