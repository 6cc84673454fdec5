// Values as bytes and back.
//
// Purpose: ByteWriter and ByteReader are for processes of one program on one host: numbers as they lie in
// memory, texts and lists with their count before them. Formats that others read too have big-endian numbers.
// Failure: a ByteReader that meets an end, or a count that can't be true, says so by failed() and gives empty
// values from then on.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace cellblock::sandbox {

// The number at the first `count` bytes, at most four: the most significant first, or the least.
inline std::uint32_t big_endian(const char* at, std::size_t count = 4) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
        value = value << 8U | static_cast<unsigned char>(at[i]);
    }
    return value;
}

inline std::uint32_t little_endian(const char* at, std::size_t count = 4) {
    std::uint32_t value = 0;
    for (std::size_t i = count; i > 0; --i) {
        value = value << 8U | static_cast<unsigned char>(at[i - 1]);
    }
    return value;
}

inline void append_big_endian(std::string& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(value >> shift & 0xffU));
    }
}

class ByteWriter {
public:
    template <class T>
    requires std::is_arithmetic_v<T>
    void add(T number) { bytes_.append(reinterpret_cast<const char*>(&number), sizeof number); }
    void add(const std::string& text) {
        add(static_cast<std::uint32_t>(text.size()));
        bytes_ += text;
    }
    template <class T>
    void add(const std::vector<T>& list) {
        add(static_cast<std::uint32_t>(list.size()));
        for (const auto& one : list) {
            add(one);
        }
    }
    [[nodiscard]] std::string take() { return std::move(bytes_); }

private:
    std::string bytes_;
};

class ByteReader {
public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    template <class T>
    requires std::is_arithmetic_v<T>
    void read(T& number) {
        if (const std::string_view part = next(sizeof number); !part.empty()) {
            std::memcpy(&number, part.data(), sizeof number);
        }
    }
    void read(bool& flag) {
        std::uint8_t byte = 0;
        read(byte);
        flag = byte != 0;
    }
    void read(std::string& text) { text = next(count()); }
    template <class T>
    void read(std::vector<T>& list) {
        list.resize(count(std::is_arithmetic_v<T> ? sizeof(T) : sizeof(std::uint32_t)));
        for (auto& one : list) {
            read(one);
        }
    }
    // How many values follow, of at least so many bytes each: no more than the rest can hold.
    std::uint32_t count(std::size_t bytes_of_one = 1) {
        std::uint32_t number = 0;
        read(number);
        failed_ = failed_ || number > rest_.size() / bytes_of_one;
        return failed_ ? 0 : number;
    }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

private:
    std::string_view next(std::size_t size) {
        failed_ = failed_ || size > rest_.size();
        if (failed_) {
            return {};
        }
        const std::string_view part = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return part;
    }

    std::string_view rest_;
    bool failed_ = false;
};

// A value by its members: `members(value, field)` calls field(member) for each, in the one order of both
// directions.
template <class Value, class Members>
std::string members_to_bytes(const Value& value, Members members) {
    ByteWriter out;
    members(value, [&](const auto& member) { out.add(member); });
    return out.take();
}

// nullopt, if these bytes aren't exactly one value.
template <class Value, class Members>
std::optional<Value> members_from_bytes(std::string_view bytes, Members members) {
    Value value;
    ByteReader in(bytes);
    members(value, [&](auto& member) { in.read(member); });
    return in.failed() || !in.at_end() ? std::nullopt : std::optional(std::move(value));
}

}  // namespace cellblock::sandbox
