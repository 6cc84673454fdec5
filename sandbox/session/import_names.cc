// import a.b as c, d; from a.b import c, d
#include "sandbox/session/import_names.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMostNames = 32;
constexpr std::string_view kBlanks = " \t\r";

bool is_letter(char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_';
}

void skip_blanks(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
}

std::string_view take_name(std::string_view& text) {
    skip_blanks(text);
    std::size_t size = 0;
    while (size < text.size() && (is_letter(text[size]) || text[size] == '.')) {
        ++size;
    }
    const std::string_view name = text.substr(0, size);
    text.remove_prefix(size);
    return name;
}

bool take_word(std::string_view& text, std::string_view word) {
    std::string_view rest = text;
    if (take_name(rest) != word) {
        return false;
    }
    text = rest;
    return true;
}

class Names {
public:
    void add(const std::string& name) {
        if (is_dotted_python_name(name) && names_.size() < kMostNames &&
            std::find(names_.begin(), names_.end(), name) == names_.end()) {
            names_.push_back(name);
        }
    }

    // Of `a as b, c.d` each name; behind `from`, in front of which there is `package`.
    void add_list(std::string_view text, const std::string& package) {
        skip_blanks(text);
        if (text.starts_with("(")) {
            text.remove_prefix(1);
        }
        while (true) {
            const std::string name(take_name(text));
            if (package.empty()) {
                add(name);
            } else if (std::none_of(
                           name.begin(), name.end(),
                           [](unsigned char letter) { return std::isupper(letter) != 0 || letter == '.'; }) &&
                       !name.empty()) {
                add(package + "." + name);
            }
            if (take_word(text, "as")) {
                (void)take_name(text);
            }
            skip_blanks(text);
            if (!text.starts_with(",")) {
                return;
            }
            text.remove_prefix(1);
        }
    }

    void add_statement(std::string_view text) {
        if (take_word(text, "import")) {
            return add_list(text, {});
        }
        if (take_word(text, "from")) {
            const std::string package(take_name(text));
            if (is_dotted_python_name(package) && take_word(text, "import")) {
                add(package);
                add_list(text, package);
            }
        }
    }

    std::vector<std::string> take() { return std::move(names_); }

private:
    std::vector<std::string> names_;
};

}  // namespace

std::vector<std::string> import_names(std::string_view code) {
    Names names;
    if (code.find("import") == std::string_view::npos) {
        return {};
    }
    while (!code.empty()) {
        const std::size_t end = std::min(code.find_first_of("\n;"), code.size());
        names.add_statement(code.substr(0, end));
        code.remove_prefix(std::min(end + 1, code.size()));
    }
    return names.take();
}

}  // namespace cellblock::sandbox
