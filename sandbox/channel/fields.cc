// Reading and checking fields of a frame.
#include "sandbox/channel/fields.h"

#include <algorithm>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

using nlohmann::json;

namespace {

constexpr std::pair<std::string_view, FileKind> kFileKinds[] = {{"file", FileKind::file},
                                                                {"folder", FileKind::folder},
                                                                {"link", FileKind::link},
                                                                {"other", FileKind::other}};

}  // namespace

void Fields::fail(const std::string& field) {
    if (!error_) {
        error_ = Error{"frame", 0, "a frame '" + type_.substr(0, 40) + "' with a bad '" + field + "'", {}};
    }
}

std::string Fields::text(const char* name, std::size_t max) {
    json* value = find(name);
    if (value == nullptr || !value->is_string() || value->get_ref<std::string&>().size() > max) {
        fail(name);
        return {};
    }
    return std::move(value->get_ref<std::string&>());
}

std::optional<std::string> Fields::optional_text(const char* name, std::size_t max) {
    const json* value = find(name);
    if (value == nullptr || value->is_null()) {
        return std::nullopt;
    }
    return text(name, max);
}

bool Fields::flag(const char* name) {
    const json* value = find(name);
    if (value == nullptr || !value->is_boolean()) {
        fail(name);
        return false;
    }
    return value->get<bool>();
}

std::uint64_t Fields::number(const char* name, std::uint64_t max) {
    const json* value = find(name);
    if (value == nullptr || !value->is_number_unsigned() || value->get<std::uint64_t>() > max) {
        fail(name);
        return 0;
    }
    return value->get<std::uint64_t>();
}

std::int64_t Fields::integer(const char* name) {
    constexpr std::int64_t kMost = 1LL << 53U;
    const json* value = find(name);
    if (value == nullptr || !value->is_number_integer() || *value < -kMost || *value > kMost) {
        fail(name);
        return 0;
    }
    return value->get<std::int64_t>();
}

bool Fields::is_null(const char* name) {
    const json* value = find(name);
    return value == nullptr || value->is_null();
}

std::optional<int> Fields::optional_int(const char* name) {
    const json* value = find(name);
    if (value == nullptr || value->is_null()) {
        return std::nullopt;
    }
    return static_cast<int>(number(name, 4096));
}

std::vector<std::string> Fields::texts(const char* name) {
    std::vector<std::string> out;
    json* value = find(name);
    if (value == nullptr || !value->is_array() || value->size() > kListItems) {
        fail(name);
        return out;
    }
    for (auto& item : *value) {
        if (!item.is_string()) {
            fail(name);
            return out;
        }
        out.push_back(std::move(item.get_ref<std::string&>()));
    }
    return out;
}

std::string Fields::buffer_at(const json& index, const char* name) {
    if (!index.is_number_unsigned() || index.get<std::uint64_t>() >= frame_.buffers.size() ||
        !taken_.insert(index.get<std::size_t>()).second) {
        fail(name);
        return {};
    }
    return std::move(frame_.buffers[index.get<std::size_t>()]);
}

std::string Fields::buffer_text(const char* name) {
    const json* value = find(name);
    if (value == nullptr) {
        fail(name);
        return {};
    }
    std::string text = text_at(*value, name);
    if (text.size() > kTextBytes) {
        fail(name);
    }
    return text;
}

std::string Fields::text_at(const json& index, const char* name) {
    std::string text = buffer_at(index, name);
    if (!is_utf8(text)) {
        fail(name);
    }
    return text;
}

RawJson Fields::raw_at(const json& index, const char* name) {
    return RawJson{buffer_at(index, name)};
}

RawJson Fields::raw(const char* name, char bracket, std::size_t max) {
    const json* value = find(name);
    const bool fits = value != nullptr && value->is_number_unsigned() &&
                      value->get<std::uint64_t>() < frame_.buffers.size() &&
                      frame_.buffers[value->get<std::size_t>()].size() <= max;
    if (!fits) {  // known before the text is looked at
        fail(name);
        return {};
    }
    RawJson raw = raw_at(*value, name);
    const auto first = raw.text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos || raw.text[first] != bracket) {
        fail(name);
    }
    return raw;
}

std::vector<std::string> Fields::buffers(const char* name) {
    std::vector<std::string> out;
    const json* value = find(name);
    if (value == nullptr || !value->is_array()) {
        fail(name);
        return out;
    }
    for (const auto& index : *value) {
        out.push_back(buffer_at(index, name));
    }
    return out;
}

std::vector<MimeItem> Fields::mime_bundle(const char* name) {
    std::vector<MimeItem> out;
    json* value = find(name);
    if (value == nullptr || !value->is_object() || value->size() > kListItems) {
        fail(name);
        return out;
    }
    for (auto& [type, item] : value->items()) {
        const bool one_member = item.is_object() && item.size() == 1;
        if (type.empty() || type.size() > kNameBytes) {
            fail(name);
            break;
        }
        if (item.is_string()) {
            out.push_back({type, std::move(item.get_ref<std::string&>())});
        } else if (one_member && item.contains("bytes")) {
            out.push_back({type, Bytes{buffer_at(item["bytes"], name)}});
        } else if (one_member && item.contains("text")) {
            out.push_back({type, text_at(item["text"], name)});
        } else if (one_member && item.contains("json")) {
            out.push_back({type, raw_at(item["json"], name)});
        } else {
            fail(name);
        }
    }
    return out;
}

std::vector<FileEntry> Fields::file_entries(const char* name) {
    constexpr std::size_t kMost = 500;
    constexpr std::size_t kMembers = 4;
    constexpr std::size_t kFileName = 1024;
    std::vector<FileEntry> out;
    json* value = find(name);
    if (value == nullptr || !value->is_array() || value->size() > kMost) {
        fail(name);
        return out;
    }
    for (auto& entry : *value) {
        if (!entry.is_array() || entry.size() != kMembers || !entry[0].is_string() || !entry[1].is_string() ||
            !entry[2].is_number_unsigned() || !entry[3].is_number_unsigned()) {
            fail(name);
            break;
        }
        const auto& file = entry[0].get_ref<const std::string&>();
        const auto* const kind = std::find_if(
            std::begin(kFileKinds), std::end(kFileKinds),
            [&](const auto& one) { return entry[1].get_ref<const std::string&>() == one.first; });
        const bool fits = !file.empty() && file != "." && file != ".." && file.size() <= kFileName &&
                          file.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
        if (!fits || kind == std::end(kFileKinds)) {
            fail(name);
            break;
        }
        out.push_back({file, kind->second, entry[2].get<std::uint64_t>(), entry[3].get<std::uint64_t>()});
    }
    return out;
}

std::string Fields::buffer(const char* name) {
    json* value = find(name);
    if (value == nullptr) {
        fail(name);
        return {};
    }
    return buffer_at(*value, name);
}

Status Fields::finish() {
    for (const auto& [name, value] : frame_.header.items()) {
        if (name != "type" && std::find(asked_for_.begin(), asked_for_.end(), name) == asked_for_.end()) {
            fail(name.substr(0, 40));
        }
    }
    if (taken_.size() != frame_.buffers.size() && !error_) {
        error_ =
            Error{"frame", 0, "a frame '" + type_.substr(0, 40) + "' with a buffer that no field names", {}};
    }
    return error_ ? Status(*error_) : Status(Ok{});
}

json* Fields::find(const char* name) {
    asked_for_.emplace_back(name);
    const auto found = frame_.header.find(name);
    return found == frame_.header.end() ? nullptr : &*found;
}

}  // namespace cellblock::sandbox
