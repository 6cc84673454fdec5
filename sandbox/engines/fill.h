// A template's argv, filled with a policy's values.
//
// Purpose: `{memory}` in a word is replaced. A list of words within the argv is
// left out where a value that it names is empty, and repeated where it names
// lists: `["--ro-bind", "{bind.host}", "{bind.sandbox}"]` once for each bind.
// `{{` stands for a brace. Nothing passes a shell.
// Ownership: plain values. Threads: pure. Failure: an unknown name is an Error
// when the template is read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/engines/template.h"

namespace cellblock::sandbox {

struct Values {
    std::map<std::string, std::string> texts;  // by name
    std::map<std::string, std::vector<std::string>>
        lists;  // "bind.host"; those of one group are of one length
};

// Error: the text names a placeholder that doesn't exist.
Status check_placeholders(std::string_view word);

// Is the text one placeholder and no more, and its value a number?
bool is_number(std::string_view word);

std::string fill_word(std::string_view word, const Values& values, std::size_t index = 0);
std::vector<std::string> fill(const std::vector<std::string>& words, const Values& values);
std::vector<std::string> fill(const std::vector<Words>& argv, const Values& values);

// How many files may be made where so many bytes may be written.
std::uint64_t most_inodes(std::uint64_t disk_bytes);

// 'as one word for a shell'.
std::string shell_word(std::string_view word);

}  // namespace cellblock::sandbox
