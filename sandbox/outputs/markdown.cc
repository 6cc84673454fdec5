// One pass over the text; a zero-width space parts what must not stand together.
#include "sandbox/outputs/markdown.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

constexpr std::string_view kBreak = "\xe2\x80\x8b";  // U+200B

bool starts_without_case(std::string_view text, std::string_view start) {
    return text.size() >= start.size() &&
           std::equal(start.begin(), start.end(), text.begin(), [](char wanted, char found) {
               return wanted == std::tolower(static_cast<unsigned char>(found));
           });
}

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
    while (at < text.size() && is_space(text[at])) {
        ++at;
    }
    return at;
}

// Where a link's place ends that begins here; nothing if more could be in it than an address.
std::optional<std::size_t> end_of_place(std::string_view text, std::size_t at) {
    for (int depth = 0; at < text.size() && !is_space(text[at]); ++at) {
        const char c = text[at];
        // JupyterLab writes @@7@@ where the seventh formula goes.
        if (std::string_view("$\\\"`<>{}").find(c) != std::string_view::npos ||
            text.substr(at).starts_with("@@")) {
            return std::nullopt;
        }
        if (c == ')' && depth-- == 0) {
            return at;
        }
        depth += c == '(' ? 1 : 0;
    }
    return at;
}

// Behind a place: nothing, or a title in which there can't be a formula.
bool has_good_title(std::string_view text, std::size_t at) {
    constexpr std::size_t kLongestTitle = 500;
    at = skip_spaces(text, at);
    const char quote = at < text.size() ? text[at] : '\0';
    if (quote != '"' && quote != '\'' && quote != '(') {
        return true;
    }
    const std::string_view rest = text.substr(at + 1, kLongestTitle);
    const std::size_t end = rest.find_first_of("\"'()$\\`<@{}\n");
    return end != std::string_view::npos && rest[end] == (quote == '(' ? ')' : quote);
}

// Whether a link's place, which begins at or after `at`, is of a scheme that is let through.
bool leads_to_good_place(std::string_view text, std::size_t at) {
    at = skip_spaces(text, at);
    const auto schemes = std::to_array<std::string_view>({"https://", "http://", "mailto:", "#"});
    const bool good = std::any_of(schemes.begin(), schemes.end(), [&](std::string_view scheme) {
        return starts_without_case(text.substr(at), scheme);
    });
    const auto end = good ? end_of_place(text, at) : std::nullopt;
    return end && (text.substr(*end).starts_with(')') || has_good_title(text, *end));
}

// Languages of code that are coloured and no more: "mermaid", say, would be drawn.
bool is_coloured_language(std::string_view word) {
    static const std::unordered_set<std::string_view> names{
        "py",         "python",     "python2",  "python3", "ipython",    "ipython3",   "pycon",      "r",
        "julia",      "c",          "c++",      "cpp",     "cc",         "h",          "hpp",        "cuda",
        "java",       "javascript", "js",       "jsx",     "typescript", "ts",         "tsx",        "json",
        "jsonc",      "yaml",       "yml",      "toml",    "ini",        "cfg",        "conf",       "xml",
        "html",       "css",        "scss",     "sql",     "mysql",      "postgresql", "sqlite",     "bash",
        "sh",         "shell",      "zsh",      "fish",    "console",    "terminal",   "powershell", "ps1",
        "bat",        "text",       "txt",      "plain",   "plaintext",  "output",     "log",        "none",
        "diff",       "patch",      "markdown", "md",      "rst",        "latex",      "tex",        "bibtex",
        "rust",       "rs",         "go",       "ruby",    "rb",         "perl",       "php",        "scala",
        "kotlin",     "swift",      "matlab",   "octave",  "fortran",    "haskell",    "hs",         "lua",
        "dockerfile", "docker",     "makefile", "make",    "cmake",      "csharp",     "cs",         "fsharp",
        "clojure",    "lisp",       "scheme",   "elixir",  "erlang",     "ocaml",      "dart",       "groovy",
        "verilog",    "vhdl",       "asm",      "nasm",    "graphql",    "http",       "csv",        "regex",
        "nix",        "zig",        "math",
    };
    return names.count(word) != 0;
}

// A reference to a character that has a meaning in formulas, where Markdown turns it into that
// character before formulas are looked for.
bool hides_a_character(std::string_view text, std::size_t at) {
    static const std::unordered_set<std::string_view> names{
        "bsol",  "dollar",           "lbrace", "lcub",   "rbrace", "rcub",    "lsqb",   "lbrack",
        "rsqb",  "rbrack",           "lpar",   "rpar",   "percnt", "Hat",     "lowbar", "UnderBar",
        "grave", "DiacriticalGrave", "fjlig",  "commat", "Tab",    "NewLine",
    };
    constexpr std::size_t kLongestName = 32;
    const std::string_view rest = text.substr(at + 1, kLongestName);
    std::size_t end = 0;
    if (!rest.starts_with('#')) {
        while (end < rest.size() && is_word(rest[end])) {
            ++end;
        }
        return names.count(rest.substr(0, end)) != 0;
    }
    const bool hex = rest.size() > 1 && (rest[1] == 'x' || rest[1] == 'X');
    std::uint32_t value = 0;
    for (end = hex ? 2 : 1; end < rest.size(); ++end) {
        const char c = rest[end];
        const bool digit = c >= '0' && c <= '9';
        if (!digit && !(hex && std::isxdigit(static_cast<unsigned char>(c)) != 0)) {
            break;
        }
        value = std::min<std::uint32_t>(
            value * (hex ? 16 : 10) + static_cast<std::uint32_t>(digit ? c - '0' : (c | 0x20) - 'a' + 10),
            0x110000);
    }
    return value < 0x80 &&
           std::string_view(" \"'&<>*#|-+.,!:;=/?").find(static_cast<char>(value)) == std::string_view::npos;
}

// Fences and backticks, roughly: it decides how something is broken, not whether.
class CodeWatch {
public:
    void look(std::string_view text, std::size_t at) {
        if (text[at] == '\n') {
            line_is_blank_ = true;
            in_span_ = false;
            return;
        }
        if (line_is_blank_ && text.substr(at, 3) == "```") {
            in_fence_ = !in_fence_;
            skip_to_ = at + 3;
        } else if (text[at] == '`' && !in_fence_ && at >= skip_to_) {
            in_span_ = !in_span_;
        }
        line_is_blank_ = line_is_blank_ && (text[at] == ' ' || text[at] == '\t');
    }
    [[nodiscard]] bool in_code() const { return in_fence_ || in_span_; }

private:
    bool line_is_blank_ = true;  // up to here
    std::size_t skip_to_ = 0;
    bool in_fence_ = false;
    bool in_span_ = false;
};

bool begins_markup(std::string_view text, std::size_t at) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    return std::isalpha(static_cast<unsigned char>(next)) != 0 || next == '/' || next == '!' || next == '?';
}

class MarkdownWriter {
public:
    explicit MarkdownWriter(std::string_view text) : text_(text) {
        out_.reserve(text.size() + text.size() / 16);
    }

    std::string write() {
        while (at_ < text_.size()) {
            watch_.look(text_, at_);
            step();
        }
        return std::move(out_);
    }

private:
    [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }

    void step() {
        const char c = text_[at_];
        const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
        look_for_address(c);
        if (c == '<' && begins_markup(text_, at_)) {
            watch_.in_code() ? out_.append("<").append(kBreak) : out_.append("&lt;");
            ++at_;
            return;
        }
        if (rest().starts_with("```") || rest().starts_with("~~~")) {
            return fence();
        }
        out_ += c;
        const bool image = c == '!' && next == '[';
        const bool place = c == ']' && (next == '(' || next == ':') && !leads_to_good_place(text_, at_ + 2);
        if (image || place || (c == '&' && hides_a_character(text_, at_))) {
            out_.append(kBreak);
        }
        ++at_;
    }

    // An address in the text is made a link of, up to a blank: no formula may be in it. U+FEFF counts
    // as a blank there and isn't seen.
    void look_for_address(char c) {
        if (is_space(c) || c == '<') {
            in_address_ = false;
        } else if (in_address_ && (c == '$' || c == '\\')) {
            out_ += "\xef\xbb\xbf";
            in_address_ = false;
        } else if (rest().starts_with("://") || starts_without_case(rest(), "www.")) {
            in_address_ = true;
        }
    }

    // Three or more of them, and the word behind, which would be code's language.
    void fence() {
        const char mark = text_[at_];
        for (; at_ < text_.size() && text_[at_] == mark; ++at_) {
            watch_.look(text_, at_);
            out_ += mark;
        }
        std::size_t start = at_;
        while (start < text_.size() && (text_[start] == ' ' || text_[start] == '\t')) {
            ++start;
        }
        constexpr std::size_t kLongestName = 16;
        std::size_t end = start;
        while (end < text_.size() && end - start <= kLongestName && !is_space(text_[end])) {
            ++end;
        }
        const std::string word = lower(text_.substr(start, end - start));
        if (word.empty() || may_hold_formula()) {
            out_.append(word.empty() ? "" : "\n");  // what follows is no language then
        } else if (!is_coloured_language(word)) {
            out_.append(kBreak);
        }
    }

    // Whether the rest of the line has what could begin a formula, or end the attribute that it would
    // be put into. Found once for many fences of a line.
    bool may_hold_formula() {
        if (odd_ < at_) {
            odd_ = std::min(text_.find_first_of("$\\\"'@{}<>&", at_), text_.size());
        }
        if (line_end_ < at_) {
            line_end_ = std::min(text_.find('\n', at_), text_.size());
        }
        return odd_ < line_end_;
    }

    std::string_view text_;
    std::string out_;
    std::size_t at_ = 0;
    CodeWatch watch_;
    bool in_address_ = false;
    std::size_t odd_ = 0;
    std::size_t line_end_ = 0;
};

}  // namespace

std::string inert_markdown(const std::string& source) {
    const std::string text = inert_latex_in_markdown(source);
    return MarkdownWriter(text).write();
}

}  // namespace cellblock::sandbox
