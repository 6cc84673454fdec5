// Placeholders.
#include "sandbox/engines/fill.h"

#include <algorithm>
#include <functional>

#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox {

namespace {

const std::vector<std::string>& text_names() {
    static const std::vector<std::string> names{
        "name",   "memory",    "memory_mib",     "processes", "cpus",   "cpu_millis",
        "disk",   "scratch",   "scratch_mib",    "shm",       "image",  "destination",
        "python", "bootstrap", "start_in_shell", "uid",       "bundle", "state",
        "inodes", "path",      "folder",         "seconds",   "tools"};
    return names;
}

const std::vector<std::string>& number_names() {
    static const std::vector<std::string> names{"memory",     "memory_mib", "processes", "cpus",
                                                "cpu_millis", "disk",       "scratch",   "scratch_mib",
                                                "shm",        "inodes",     "uid",       "seconds"};
    return names;
}

const std::vector<std::string>& list_names() {
    static const std::vector<std::string> names{"start.word", "bind.host",   "bind.sandbox", "link.text",
                                                "link.path",  "hidden.file", "hidden.folder"};
    return names;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Calls with each stretch of plain text, and with each placeholder's name. False: a brace too few.
bool walk(std::string_view word, const std::function<void(std::string_view)>& plain,
          const std::function<void(std::string_view)>& placeholder) {
    while (!word.empty()) {
        const auto brace = word.find('{');
        plain(word.substr(0, brace));
        if (brace == std::string_view::npos) {
            return true;
        }
        word.remove_prefix(brace + 1);
        if (word.starts_with('{')) {
            plain("{");
            word.remove_prefix(1);
            continue;
        }
        const auto end = word.find('}');
        if (end == std::string_view::npos) {
            return false;
        }
        placeholder(word.substr(0, end));
        word.remove_prefix(end + 1);
    }
    return true;
}

std::vector<std::string> placeholders_of(const std::vector<std::string>& words) {
    std::vector<std::string> names;
    for (const auto& word : words) {
        (void)walk(
            word, [](std::string_view) {}, [&](std::string_view name) { names.emplace_back(name); });
    }
    return names;
}

}  // namespace

Status check_placeholders(std::string_view word) {
    std::string unknown;
    const bool whole = walk(
        word, [](std::string_view) {},
        [&](std::string_view name) {
            if (!has(text_names(), name) && !has(list_names(), name)) {
                unknown = name;
            }
        });
    if (!whole) {
        return Error{"", 0, "a { without its }", "A brace that is meant as one is written {{"};
    }
    if (!unknown.empty()) {
        auto known = text_names();
        known.insert(known.end(), list_names().begin(), list_names().end());
        const std::string near = nearest(unknown, known);
        return Error{"", 0,
                     "there is no placeholder {" + unknown.substr(0, 80) + "}" +
                         (near.empty() ? "" : "; did you mean {" + near + "}?"),
                     "A brace that is meant as one is written {{"};
    }
    return Ok{};
}

bool is_number(std::string_view word) {
    return word.size() > 2 && word.front() == '{' && word.back() == '}' &&
           has(number_names(), word.substr(1, word.size() - 2));
}

std::string fill_word(std::string_view word, const Values& values, std::size_t index) {
    std::string out;
    (void)walk(
        word, [&](std::string_view text) { out += text; },
        [&](std::string_view name) {
            const auto text = values.texts.find(std::string(name));
            const auto list = values.lists.find(std::string(name));
            if (text != values.texts.end()) {
                out += text->second;
            } else if (list != values.lists.end() && index < list->second.size()) {
                out += list->second[index];
            }
        });
    return out;
}

std::vector<std::string> fill(const std::vector<std::string>& words, const Values& values) {
    std::vector<std::string> out;
    out.reserve(words.size());
    for (const auto& word : words) {
        out.push_back(fill_word(word, values));
    }
    return out;
}

std::vector<std::string> fill(const std::vector<Words>& argv, const Values& values) {
    std::vector<std::string> out;
    for (const auto& part : argv) {
        std::size_t times = 1;
        if (part.grouped) {
            for (const auto& name : placeholders_of(part.words)) {
                const auto text = values.texts.find(name);
                const auto list = values.lists.find(name);
                if (list != values.lists.end()) {
                    times = list->second.size();
                } else if (text == values.texts.end() || text->second.empty()) {
                    times = 0;
                    break;
                }
            }
        }
        for (std::size_t i = 0; i < times; ++i) {
            for (const auto& word : part.words) {
                out.push_back(fill_word(word, values, i));
            }
        }
    }
    return out;
}

std::uint64_t most_inodes(std::uint64_t disk_bytes) {
    constexpr std::uint64_t kBytesPerInode = 4096;
    return std::clamp<std::uint64_t>(disk_bytes / kBytesPerInode, 4096, 262144);
}

std::string shell_word(std::string_view word) {
    std::string out = "'";
    for (const char letter : word) {
        out += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    }
    return out + "'";
}

}  // namespace cellblock::sandbox
