// TeX's tokens (a backslash, then letters or one other character), and a table of commands.
#include "sandbox/outputs/latex.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace cellblock::sandbox {

namespace {

constexpr std::string_view kBreak = "\xe2\x80\x8b";  // U+200B

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

using Names = std::unordered_set<std::string_view>;

// clang-format off
// Signs, functions, what is built of parts, and fonts: their arguments are formulas or text.
const Names& plain_commands() {
    static const Names names{
        // greek
        "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta",
        "iota", "kappa", "varkappa", "lambda", "mu", "nu", "xi", "omicron", "pi", "varpi", "rho", "varrho",
        "sigma", "varsigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "Gamma", "Delta",
        "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega", "varGamma", "varDelta",
        "varTheta", "varLambda", "varXi", "varPi", "varSigma", "varUpsilon", "varPhi", "varPsi", "varOmega",
        "digamma", "Alpha", "Beta", "Epsilon", "Zeta", "Eta", "Iota", "Kappa", "Mu", "Nu", "Omicron", "Rho",
        "Tau", "Chi",
        // core
        "aleph", "hbar", "hslash", "imath", "jmath", "ell", "wp", "Re", "Im", "partial", "infty", "prime",
        "emptyset", "nabla", "surd", "top", "bot", "angle", "triangle", "backslash", "forall", "exists",
        "neg", "lnot", "flat", "natural", "sharp", "clubsuit", "diamondsuit", "heartsuit", "spadesuit",
        "coprod", "bigvee", "bigwedge", "biguplus", "bigcap", "bigcup", "int", "intop", "iint", "iiint",
        "iiiint", "idotsint", "oint", "oiint", "oiiint", "prod", "sum", "bigotimes", "bigoplus", "bigodot",
        "bigsqcup", "smallint", "triangleleft", "triangleright", "bigtriangleup", "bigtriangledown",
        "wedge", "land", "vee", "lor", "cap", "cup", "ddagger", "dagger", "dag", "ddag", "sqcap", "sqcup",
        "uplus", "amalg", "diamond", "bullet", "wr", "div", "odot", "oslash", "otimes", "ominus", "oplus",
        "mp", "pm", "circ", "bigcirc", "setminus", "cdot", "ast", "times", "star", "propto", "sqsubseteq",
        "sqsupseteq", "parallel", "mid", "dashv", "vdash", "leq", "le", "geq", "ge", "lt", "gt", "succ",
        "prec", "approx", "succeq", "preceq", "supset", "subset", "supseteq", "subseteq", "in", "ni",
        "notin", "owns", "gg", "ll", "sim", "simeq", "perp", "equiv", "asymp", "smile", "frown", "ne",
        "neq", "cong", "doteq", "bowtie", "models", "notChar", "Leftrightarrow", "Leftarrow", "Rightarrow",
        "leftrightarrow", "leftarrow", "gets", "rightarrow", "to", "mapsto", "leftharpoonup",
        "leftharpoondown", "rightharpoonup", "rightharpoondown", "nearrow", "searrow", "nwarrow", "swarrow",
        "rightleftharpoons", "hookrightarrow", "hookleftarrow", "longleftarrow", "Longleftarrow",
        "longrightarrow", "Longrightarrow", "Longleftrightarrow", "longleftrightarrow", "longmapsto", "iff",
        "ldots", "cdots", "vdots", "ddots", "dots", "dotsc", "dotsb", "dotsm", "dotsi", "dotso", "ldotp",
        "cdotp", "colon", "uparrow", "downarrow", "updownarrow", "Uparrow", "Downarrow", "Updownarrow",
        "langle", "rangle", "lbrace", "rbrace", "lbrack", "rbrack", "lceil", "rceil", "lfloor", "rfloor",
        "lgroup", "rgroup", "lmoustache", "rmoustache", "arrowvert", "Arrowvert", "bracevert", "vert",
        "Vert", "lvert", "rvert", "lVert", "rVert", "S", "P", "copyright", "pounds", "yen", "euro", "AA",
        "O", "o",
        // ams
        "Bbbk", "Box", "Bumpeq", "Cap", "Cup", "Diamond", "Doteq", "Finv", "Game", "Join", "Lleftarrow",
        "Lsh", "Rrightarrow", "Rsh", "Subset", "Supset", "Vdash", "Vvdash", "approxeq", "backepsilon",
        "backprime", "backsim", "backsimeq", "barwedge", "because", "beth", "between", "bigstar",
        "blacklozenge", "blacksquare", "blacktriangle", "blacktriangledown", "blacktriangleleft",
        "blacktriangleright", "boxdot", "boxminus", "boxplus", "boxtimes", "bumpeq", "centerdot",
        "checkmark", "circeq", "circlearrowleft", "circlearrowright", "circledR", "circledS", "circledast",
        "circledcirc", "circleddash", "complement", "curlyeqprec", "curlyeqsucc", "curlyvee", "curlywedge",
        "curvearrowleft", "curvearrowright", "daleth", "dashleftarrow", "dashrightarrow", "diagdown",
        "diagup", "divideontimes", "doteqdot", "dotplus", "doublebarwedge", "doublecap", "doublecup",
        "downdownarrows", "downharpoonleft", "downharpoonright", "eqcirc", "eqsim", "eqslantgtr",
        "eqslantless", "eth", "fallingdotseq", "geqq", "geqslant", "ggg", "gggtr", "gimel", "gnapprox",
        "gneq", "gneqq", "gnsim", "gtrapprox", "gtrdot", "gtreqless", "gtreqqless", "gtrless", "gtrsim",
        "gvertneqq", "impliedby", "implies", "infer", "intercal", "leadsto", "leftarrowtail",
        "leftleftarrows", "leftrightarrows", "leftrightharpoons", "leftrightsquigarrow", "leftthreetimes",
        "leqq", "leqslant", "lessapprox", "lessdot", "lesseqgtr", "lesseqqgtr", "lessgtr", "lesssim", "lhd",
        "lll", "llless", "llcorner", "lrcorner", "ulcorner", "urcorner", "lnapprox", "lneq", "lneqq",
        "lnsim", "looparrowleft", "looparrowright", "lozenge", "ltimes", "lvertneqq", "maltese",
        "measuredangle", "mho", "multimap", "nLeftarrow", "nLeftrightarrow", "nRightarrow", "nVDash",
        "nVdash", "ncong", "nexists", "ngeq", "ngeqq", "ngeqslant", "ngtr", "nleftarrow", "nleftrightarrow",
        "nleq", "nleqq", "nleqslant", "nless", "nmid", "nparallel", "nprec", "npreceq", "nrightarrow",
        "nshortmid", "nshortparallel", "nsim", "nsubseteq", "nsubseteqq", "nsucc", "nsucceq", "nsupseteq",
        "nsupseteqq", "ntriangleleft", "ntrianglelefteq", "ntriangleright", "ntrianglerighteq", "nvDash",
        "nvdash", "pitchfork", "precapprox", "preccurlyeq", "precnapprox", "precneqq", "precnsim",
        "precsim", "restriction", "rhd", "rightarrowtail", "rightleftarrows", "rightrightarrows",
        "rightsquigarrow", "rightthreetimes", "risingdotseq", "rtimes", "shortmid", "shortparallel",
        "smallfrown", "smallsetminus", "smallsmile", "sphericalangle", "sqsubset", "sqsupset", "square",
        "subseteqq", "subsetneq", "subsetneqq", "succapprox", "succcurlyeq", "succnapprox", "succneqq",
        "succnsim", "succsim", "supseteqq", "supsetneq", "supsetneqq", "therefore", "thickapprox",
        "thicksim", "triangledown", "trianglelefteq", "triangleq", "trianglerighteq", "twoheadleftarrow",
        "twoheadrightarrow", "unlhd", "unrhd", "upharpoonleft", "upharpoonright", "upuparrows", "vDash",
        "varnothing", "varpropto", "varsubsetneq", "varsubsetneqq", "varsupsetneq", "varsupsetneqq",
        "vartriangle", "vartriangleleft", "vartriangleright", "veebar", "coloneqq", "eqqcolon", "coloneq",
        "vcentcolon",
        // functions
        "arccos", "arcsin", "arctan", "arg", "cos", "cosh", "cot", "coth", "csc", "deg", "det", "dim",
        "exp", "gcd", "hom", "inf", "ker", "lg", "lim", "liminf", "limsup", "ln", "log", "max", "min", "Pr",
        "sec", "sin", "sinh", "sup", "tan", "tanh", "injlim", "projlim", "varliminf", "varlimsup",
        "varinjlim", "varprojlim", "bmod", "pmod", "mod", "pod", "operatorname", "mathop", "mathbin",
        "mathrel", "mathord", "mathopen", "mathclose", "mathpunct", "mathinner", "limits", "nolimits",
        // build
        "frac", "dfrac", "tfrac", "cfrac", "binom", "dbinom", "tbinom", "sqrt", "root", "of", "over",
        "atop", "choose", "brace", "brack", "overwithdelims", "atopwithdelims", "stackrel", "overset",
        "underset", "sideset", "prescript", "buildrel", "left", "right", "middle", "big", "Big", "bigg",
        "Bigg", "bigl", "bigr", "bigm", "Bigl", "Bigr", "Bigm", "biggl", "biggr", "biggm", "Biggl", "Biggr",
        "Biggm", "acute", "grave", "ddot", "dddot", "ddddot", "tilde", "bar", "breve", "check", "hat",
        "vec", "dot", "widetilde", "widehat", "mathring", "overline", "underline", "overbrace",
        "underbrace", "overparen", "underparen", "overbracket", "underbracket", "overleftarrow",
        "overrightarrow", "overleftrightarrow", "underleftarrow", "underrightarrow", "underleftrightarrow",
        "xleftarrow", "xrightarrow", "xleftrightarrow", "xlongequal", "xmapsto", "xtofrom",
        "xtwoheadleftarrow", "xtwoheadrightarrow", "xhookleftarrow", "xhookrightarrow", "not", "boxed",
        "fbox", "phantom", "hphantom", "vphantom", "smash", "mathstrut", "strut", "vcenter", "substack",
        "shoveleft", "shoveright", "bra", "ket", "braket", "Bra", "Ket", "Braket", "set", "Set",
        // fonts
        "mathrm", "mathbf", "mathit", "mathsf", "mathtt", "mathcal", "mathscr", "mathfrak", "mathbb",
        "mathnormal", "boldsymbol", "bm", "pmb", "mathup", "mathbfup", "mathbfit", "mathbfcal", "mathbfscr",
        "mathbffrak", "symbf", "symrm", "text", "textrm", "textbf", "textit", "textsf", "texttt",
        "textnormal", "textup", "textmd", "textsl", "textsc", "emph", "mbox", "hbox", "rm", "bf", "it",
        "sf", "tt", "cal", "scr", "frak", "Bbb", "mit", "oldstyle", "displaystyle", "textstyle",
        "scriptstyle", "scriptscriptstyle", "tiny", "Tiny", "scriptsize", "footnotesize", "small",
        "normalsize", "large", "Large", "LARGE", "huge", "Huge", "TeX", "LaTeX",
        // space
        "quad", "qquad", "enspace", "thinspace", "medspace", "thickspace", "negthinspace", "negmedspace",
        "negthickspace", "space", "nobreakspace", "hfill", "hfil", "newline", "cr", "hline", "hdashline",
        "nonumber", "notag", "tag", "displaylines", "eqalign", "eqalignno", "leqalignno", "matrix",
        "pmatrix", "cases",
        // tables
        "toprule", "midrule", "bottomrule", "cmidrule", "multicolumn", "multirow", "centering", "caption",
        "section", "subsection", "item", "par", "noindent", "clearpage", "bigskip", "medskip", "smallskip",
        "textasciitilde", "textasciicircum", "textbackslash", "textunderscore", "textbar", "textless",
        "textgreater", "textdegree", "textquotesingle", "textquoteright", "cline", "arraystretch",
    };
    return names;
}

const Names& environments() {
    static const Names names{
        "equation", "equation*", "align", "align*", "aligned", "alignat", "alignat*", "alignedat", "gather",
        "gather*", "gathered", "multline", "multline*", "multlined", "split", "array", "matrix", "pmatrix",
        "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "matrix*", "pmatrix*", "bmatrix*", "Bmatrix*", "vmatrix*",
        "Vmatrix*", "smallmatrix", "cases", "dcases", "rcases", "drcases", "eqnarray", "eqnarray*", "flalign",
        "flalign*", "subarray", "math", "displaymath", "CD",
        // of LaTeX, which no front end knows
        "tabular", "table", "table*", "center", "itemize", "enumerate", "quote", "document", "longtable",
    };
    return names;
}
// clang-format on

// A place in the text, from which an argument is read.
class Argument {
public:
    explicit Argument(std::string_view rest) : rest_(rest) {}

    // "{…}" of the characters that `fits` takes, at most so many.
    template <class Fits>
    bool braced(const Fits& fits, std::size_t most) {
        return enclosed('{', '}', fits, most);
    }
    template <class Fits>
    bool bracketed(const Fits& fits, std::size_t most) {
        return enclosed('[', ']', fits, most);
    }

    [[nodiscard]] bool begins_with(char c) {
        skip_blanks();
        return rest_.starts_with(c);
    }

    // What was between the last braces.
    [[nodiscard]] std::string_view content() const { return content_; }

    // "-1.5em", in braces or not: no more than a line's width of it.
    bool dimension() {
        const bool braces = begins_with('{');
        rest_.remove_prefix(braces ? 1 : 0);
        skip_blanks();
        rest_.remove_prefix(rest_.starts_with('-') || rest_.starts_with('+') ? 1 : 0);
        const std::size_t whole = skip_digits();
        std::size_t part = 0;
        if (rest_.starts_with('.')) {
            rest_.remove_prefix(1);
            part = skip_digits();
        }
        skip_blanks();
        constexpr auto kUnits =
            std::to_array<std::string_view>({"em", "ex", "pt", "px", "mu", "cm", "mm", "in", "pc"});
        const auto* unit = std::find(kUnits.begin(), kUnits.end(), rest_.substr(0, 2));
        if (whole + part == 0 || whole > 2 || part > 6 || unit == kUnits.end()) {
            return false;
        }
        rest_.remove_prefix(2);
        return !braces || begins_with('}');
    }

private:
    template <class Fits>
    bool enclosed(char open, char close, const Fits& fits, std::size_t most) {
        if (!begins_with(open)) {
            return false;
        }
        const std::size_t end = rest_.substr(0, most + 2).find(close);
        if (end == std::string_view::npos) {
            return false;
        }
        content_ = rest_.substr(1, end - 1);
        rest_.remove_prefix(end + 1);
        return std::all_of(content_.begin(), content_.end(), fits);
    }

    void skip_blanks() {
        std::size_t count = 0;
        while (count < rest_.size() && is_blank(rest_[count])) {
            ++count;
        }
        rest_.remove_prefix(count);
    }

    std::size_t skip_digits() {
        const std::size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        rest_.remove_prefix(end);
        return end;
    }

    std::string_view rest_;
    std::string_view content_;
};

// Of a name, or of numbers of a listed model: "{red}", "{#ff0000}", "[rgb]{1,0,0}".
bool one_colour(Argument& at) {
    if (at.begins_with('[') && !at.bracketed([](char c) { return is_letter(c); }, 8)) {
        return false;
    }
    return at.braced(
        [](char c) { return is_letter(c) || is_digit(c) || c == '#' || c == ',' || c == '.' || c == ' '; },
        40);
}

bool is_environment(std::string_view rest) {
    Argument at(rest);
    if (!at.braced([](char c) { return is_letter(c) || c == '*'; }, 20) ||
        environments().count(at.content()) == 0) {
        return false;
    }
    // A place, where there is one: [t].
    return !at.begins_with('[') || at.bracketed([](char c) { return is_letter(c); }, 1);
}

bool colour(std::string_view rest) {
    Argument at(rest);
    return one_colour(at);
}

bool two_colours(std::string_view rest) {
    Argument at(rest);
    return one_colour(at) && one_colour(at);
}

bool dimension(std::string_view rest) {
    return Argument(rest).dimension();
}

bool name(std::string_view rest) {
    return Argument(rest).braced(
        [](char c) {
            return is_letter(c) || is_digit(c) || std::string_view(":_.-+").find(c) != std::string_view::npos;
        },
        64);
}

bool formula(std::string_view rest) {
    return Argument(rest).begins_with('{');
}

using Rule = bool (*)(std::string_view rest);

// Their arguments become more than a formula; what may stand behind them is checked.
const std::unordered_map<std::string_view, Rule>& commands_with_rules() {
    static const std::unordered_map<std::string_view, Rule> rules{
        {"begin", is_environment}, {"end", is_environment}, {"color", colour},
        {"textcolor", colour},     {"colorbox", colour},    {"fcolorbox", two_colours},
        {"hspace", dimension},     {"hskip", dimension},    {"kern", dimension},
        {"mkern", dimension},      {"mskip", dimension},    {"mspace", dimension},
        {"label", name},           {"ref", name},           {"eqref", name},
        {"cancel", formula},       {"bcancel", formula},    {"xcancel", formula},
        {"cancelto", formula},
    };
    return rules;
}

bool is_allowed(std::string_view command, std::string_view rest) {
    if (rest.starts_with('@')) {
        return false;  // KaTeX has it in names
    }
    const auto rule = commands_with_rules().find(command);
    return rule != commands_with_rules().end() ? rule->second(rest) : plain_commands().count(command) != 0;
}

std::string inert(const std::string& text, bool markdown) {
    std::string out;
    std::size_t copied = 0;
    for (std::size_t at = text.find('\\'); at != std::string::npos; at = text.find('\\', at)) {
        const std::size_t start = at;
        at = std::min(text.find_first_not_of('\\', at), text.size());
        // Of two backslashes the second is no command's; but some look for formulas from there,
        // and Markdown makes one of two.
        const bool second = (at - start) % 2 == 0;
        std::size_t end = at;
        while (end < text.size() && is_letter(text[end])) {
            ++end;
        }
        if (end == at && (end == text.size() || text[end] != '@')) {
            at += second || at == text.size() ? 0 : 1;  // a command of one other character
            continue;
        }
        const auto whole = std::string_view(text);
        const auto command = whole.substr(at, end - at);
        const bool counts = !second || markdown || command == "begin";
        if (counts && (command.empty() || !is_allowed(command, whole.substr(end)))) {
            // Behind the end of a line (two backslashes) a blank is nothing.
            out.append(text, copied, at - copied).append(second ? " " : kBreak);
            copied = at;
        }
        at = end;
    }
    return copied == 0 ? text : out.append(text, copied);
}

// A page's text up to the next tag but <wbr>, which front ends read over: a zero-width space is the same
// to a reader. Leaves `at` at the tag.
std::string text_from(const std::string& page, std::size_t& at) {
    constexpr std::string_view kWordBreak = "<wbr>";
    std::string text;
    while (true) {
        const std::size_t end = std::min(page.find('<', at), page.size());
        text.append(page, at, end - at);
        at = end;
        if (page.compare(at, kWordBreak.size(), kWordBreak) != 0) {
            return text;
        }
        text += kBreak;
        at += kWordBreak.size();
    }
}

std::size_t end_of_tag(const std::string& page, std::size_t at) {
    const bool style = page.compare(at, 7, "<style>") == 0;
    const std::string_view end = style ? "</style>" : ">";
    const std::size_t found = page.find(end, at);
    return found == std::string::npos ? page.size() : found + end.size();
}

}  // namespace

std::string inert_latex(const std::string& text) {
    return inert(text, false);
}

std::string inert_latex_in_markdown(const std::string& text) {
    // References to characters, and code that some show as a formula.
    const bool may = may_have_formulas(text) || text.find('&') != std::string::npos ||
                     text.find("math") != std::string::npos;
    return may ? inert(text, true) : text;
}

std::string inert_latex_in_page(const std::string& page) {
    std::string out;
    bool may = false;
    for (const bool writes : {false, true}) {
        for (std::size_t at = 0; at < page.size();) {
            const std::string text = text_from(page, at);
            may = may || may_have_formulas(text);
            const std::size_t start = std::exchange(at, end_of_tag(page, at));
            if (writes) {
                out.append(inert(text, false)).append(page, start, at - start);
            }
        }
        if (!may) {
            return page;
        }
    }
    return out;
}

bool may_have_formulas(std::string_view text) {
    if (text.find('$') != std::string_view::npos) {
        return true;
    }
    for (std::size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at + 1)) {
        const std::string_view rest = text.substr(at + 1);
        if (rest.starts_with('(') || rest.starts_with('[') || rest.starts_with("begin")) {
            return true;
        }
    }
    return false;
}

}  // namespace cellblock::sandbox
