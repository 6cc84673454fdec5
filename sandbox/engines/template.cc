// The table of a template's keys, and reading by it.
#include "sandbox/engines/template.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "sandbox/engines/fill.h"
#include "sandbox/engines/fill_document.h"
#include "sandbox/policy/document.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

constexpr std::size_t kMostText = 2000;
constexpr std::size_t kMostWord = 8000;
constexpr std::size_t kMostWords = 200;
constexpr std::size_t kMostFiles = 8;
constexpr std::size_t kMostFileName = 80;

struct TemplateKey {
    const char* name;
    bool needed;
    std::function<Status(const json&, EngineTemplate&)> read;
};

Status no(const char* key, const std::string& what) {
    return Error{key, 0, what, {}};
}

TemplateKey text_key(const char* name, bool needed, std::string EngineTemplate::*member) {
    return {name, needed, [=](const json& value, EngineTemplate& into) -> Status {
                CELLBLOCK_ASSIGN_OR_RETURN(auto text, read_text(name, value, kMostText));
                into.*member = text;
                return Ok{};
            }};
}

TemplateKey flag_key(const char* name, bool EngineTemplate::*member) {
    return {name, false, [=](const json& value, EngineTemplate& into) -> Status {
                CELLBLOCK_ASSIGN_OR_RETURN(auto flag, read_flag(name, value));
                into.*member = flag;
                return Ok{};
            }};
}

Result<std::vector<std::string>> read_words(const char* key, const json& value) {
    if (!value.is_array() || value.empty() || value.size() > kMostWords) {
        return wrong_value(key, value, "a list of words, not an empty one");
    }
    std::vector<std::string> words;
    for (const auto& one : value) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto word, read_text(key, one, kMostWord));
        if (auto checked = check_placeholders(word); !checked) {
            return Error{key, 0, checked.error().message, checked.error().remedy};
        }
        words.push_back(word);
    }
    return words;
}

TemplateKey words_key(const char* name, bool needed, std::vector<std::string> EngineTemplate::*member) {
    return {name, needed, [=](const json& value, EngineTemplate& into) -> Status {
                CELLBLOCK_ASSIGN_OR_RETURN(into.*member, read_words(name, value));
                return Ok{};
            }};
}

Status read_argv(const json& value, EngineTemplate& into) {
    if (!value.is_array() || value.empty() || value.size() > kMostWords || !value.front().is_string()) {
        return wrong_value("argv", value, "a list of words and of lists of words, a word first");
    }
    for (const auto& one : value) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto words, read_words("argv", one.is_array() ? one : json::array({one})));
        into.argv.push_back({std::move(words), one.is_array()});
    }
    return Ok{};
}

Status read_enforces(const json& value, EngineTemplate& into) {
    if (!value.is_array()) {
        return wrong_value("enforces", value, "a list of the policy's keys");
    }
    const auto& known = enforceable_keys();
    for (const auto& one : value) {
        const auto* key = one.get_ptr<const std::string*>();
        if (key == nullptr) {
            return wrong_value("enforces", one, "a policy's key");
        }
        if (std::find(known.begin(), known.end(), *key) == known.end()) {
            const std::string near = nearest(*key, known);
            return no("enforces", "found \"" + *key + "\"" +
                                      (near.empty() ? ", which no engine has to enforce"
                                                    : "; did you mean " + near + "?"));
        }
        into.enforces.push_back(*key);
    }
    return Ok{};
}

Status read_layers(const json& value, EngineTemplate& into) {
    if (!value.is_array()) {
        return wrong_value("layers", value, "a list of layers' names");
    }
    for (const auto& one : value) {
        const auto layer = one.is_string() ? layer_named(one.get<std::string>()) : std::nullopt;
        if (!layer) {
            return wrong_value("layers", one, "a layer's name, as in the policy's key \"require\"");
        }
        into.layers.push_back(*layer);
    }
    return Ok{};
}

// Beside them lies the folder `scratch`.
bool is_file_name(const std::string& name) {
    return !name.empty() && name.size() <= kMostFileName && name.front() != '.' && name != "scratch" &&
           name.find('/') == std::string::npos;
}

Result<TemplateFile> read_file(const std::string& name, const json& content) {
    const std::string key = "files." + name;
    if (content.is_object()) {
        auto checked = check_document(content);
        return checked ? Result<TemplateFile>(TemplateFile{name, content.dump(), true})
                       : Error{key, 0, checked.error().message, checked.error().remedy};
    }
    if (!content.is_array()) {
        return wrong_value(key, content, "an object, or a list of lines");
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto lines, read_words(key.c_str(), content));
    TemplateFile file{name, {}, false};
    for (const auto& line : lines) {
        file.text += line + "\n";
    }
    return file;
}

Status read_files(const json& value, EngineTemplate& into) {
    if (!value.is_object() || value.size() > kMostFiles) {
        return wrong_value("files", value, "an object: names of files, each with its lines or its JSON");
    }
    for (const auto& [name, content] : value.items()) {
        if (!is_file_name(name)) {
            return no("files", "\"" + name.substr(0, 80) + "\" is no name for a file there");
        }
        CELLBLOCK_ASSIGN_OR_RETURN(auto file, read_file(name, content));
        into.files.push_back(std::move(file));
    }
    return Ok{};
}

const std::vector<TemplateKey>& template_table() {
    static const std::vector<TemplateKey> table{
        text_key("description", true, &EngineTemplate::description),
        text_key("isolation", true, &EngineTemplate::isolation),
        text_key("needs", true, &EngineTemplate::needs),
        words_key("probe", true, &EngineTemplate::probe),
        {"argv", true, &read_argv},
        words_key("kill", false, &EngineTemplate::kill),
        words_key("list", false, &EngineTemplate::list),
        {"enforces", true, &read_enforces},
        {"layers", true, &read_layers},
        {"files", false, &read_files},
        flag_key("private_processes", &EngineTemplate::private_processes),
        flag_key("children", &EngineTemplate::children),
        flag_key("host_files", &EngineTemplate::host_files),
        flag_key("bundle", &EngineTemplate::bundle),
        flag_key("own_user", &EngineTemplate::own_user),
        flag_key("spare_user", &EngineTemplate::spare_user),
        {"extra_processes", false,
         [](const json& value, EngineTemplate& into) -> Status {
             auto count = read_count("extra_processes", value, 0, 1024);
             into.extra_processes = count ? *count : 0;
             return count ? Status(Ok{}) : count.error();
         }},
        text_key("image", false, &EngineTemplate::image),
        words_key("version", false, &EngineTemplate::version),
    };
    return table;
}

Status read_key(const std::string& name, const json& value, EngineTemplate& into) {
    const auto& table = template_table();
    const auto key =
        std::find_if(table.begin(), table.end(), [&](const TemplateKey& one) { return one.name == name; });
    if (key != table.end()) {
        return key->read(value, into);
    }
    std::vector<std::string> known;
    known.reserve(table.size());
    for (const auto& one : table) {
        known.emplace_back(one.name);
    }
    const std::string near = nearest(name, known);
    return no(name.substr(0, 80).c_str(),
              near.empty() ? "there is no such key" : "there is no such key; did you mean " + near + "?");
}

Status read_document(const json& document, EngineTemplate& into) {
    for (const auto& [name, value] : document.items()) {
        if (auto read = read_key(name, value, into); !read) {
            return read;
        }
    }
    for (const auto& key : template_table()) {
        if (key.needed && !document.contains(key.name)) {
            return no(key.name, "this key is missing");
        }
    }
    return Ok{};
}

}  // namespace

const std::vector<std::string>& enforceable_keys() {
    static const std::vector<std::string> keys{"limits.memory", "limits.processes", "limits.cpus",
                                               "limits.disk",   "network",          "network.allow",
                                               "files",         "packages.allow"};
    return keys;
}

Result<EngineTemplate> parse_template(std::string_view json_text, const std::string& name,
                                      const std::string& file) {
    const auto in_file = [&](Error error) {
        error.step = "engine template " + file + (error.step.empty() ? "" : ": " + error.step);
        return error;
    };
    auto document = parse_policy_document(json_text);
    if (!document) {
        return in_file(document.error());
    }
    EngineTemplate read;
    read.name = name;
    read.file = file;
    read.text = json_text;
    if (auto done = read_document(*document, read); !done) {
        return in_file(done.error());
    }
    return read;
}

}  // namespace cellblock::sandbox
