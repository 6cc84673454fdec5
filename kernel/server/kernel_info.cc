#include "kernel/server/kernel_info.h"

#include <string>

namespace cellblock::kernel {

namespace {

constexpr const char* kUnknownVersion = "3";  // until a sandbox has said its Python's

}  // namespace

nlohmann::json kernel_info_content(const sandbox::Session& session) {
    using nlohmann::json;
    const std::string python = session.python_version();
    const std::string& policy = session.policy().name;
    std::string banner = "cellblock " CELLBLOCK_VERSION ": Python" + (python.empty() ? "" : " " + python) +
                         " in a sandbox, policy \"" + policy + "\"\n";
    if (const std::string reason = session.unavailable_reason(); !reason.empty()) {
        banner += "No sandbox can be had: " + reason + "\n";
    } else if (const std::string more = session.banner(); !more.empty()) {
        banner += more + (more.ends_with('\n') ? "" : "\n");
    }
    const bool debugger = session.has_debugger().value_or(false);
    return {
        {"status", "ok"},
        {"implementation", "cellblock"},
        {"implementation_version", CELLBLOCK_VERSION},
        {"banner", banner},
        {"debugger", debugger},  // as clients knew it before supported_features
        {"supported_features", debugger ? json{"debugger"} : json::array()},
        {"language_info",
         {{"name", "python"},
          {"version", python.empty() ? kUnknownVersion : python},
          {"mimetype", "text/x-python"},
          {"codemirror_mode", {{"name", "ipython"}, {"version", 3}}},
          {"pygments_lexer", "ipython3"},
          {"nbconvert_exporter", "python"},
          {"file_extension", ".py"}}},
        {"help_links",
         json::array({{{"text", "Python Reference"}, {"url", "https://docs.python.org/3"}},
                      {{"text", "IPython Reference"}, {"url", "https://ipython.readthedocs.io/"}},
                      {{"text", "NumPy Reference"}, {"url", "https://numpy.org/doc/stable/"}},
                      {{"text", "pandas Reference"}, {"url", "https://pandas.pydata.org/docs/"}},
                      {{"text", "Matplotlib Reference"}, {"url", "https://matplotlib.org/stable/"}}})},
    };
}

}  // namespace cellblock::kernel
