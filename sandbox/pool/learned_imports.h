// What sessions import, by Python: the policy's `preload`: "auto".
//
// Purpose: remembers names of modules, how many sessions named each and when one did last, and which can't be
// imported ahead; for the next daemon too, in ~/.cache/cellblock/imports.json ($XDG_CACHE_HOME). Names come
// from cells' code, so everything has a bound: 16 Pythons (the ones that were used last stay), 64 names of
// each, 128 bytes a name. Names that no session named for 30 days go; one that couldn't be imported is tried
// again after 7. Nothing is imported here. Ownership: of the file's content. Threads: one. Failure: a file
// that can't be read counts as none; one that can't be written is tried again at the next change.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cellblock::sandbox::pool {

class LearnedImports {
public:
    // `path` empty: nothing is kept. `today`: days since 1970, replaced in tests.
    explicit LearnedImports(std::string path, std::int64_t (*today)() = nullptr);

    // A session of this Python named these.
    void note(const std::string& python, const std::vector<std::string>& names);
    // This one can't be imported ahead, and why.
    void drop(const std::string& python, const std::string& name, const std::string& reason);
    // What is to be imported ahead, at most 32 names, those first that most sessions named.
    [[nodiscard]] std::vector<std::string> names_for(const std::string& python) const;
    [[nodiscard]] std::map<std::string, std::string> dropped(const std::string& python) const;

private:
    struct Name {
        std::uint32_t sessions = 0;
        std::int64_t last = 0;  // day
    };
    struct Dropped {
        std::string reason;
        std::int64_t day = 0;
    };
    struct Python {
        std::map<std::string, Name> names;
        std::map<std::string, Dropped> dropped;
        std::int64_t last = 0;
    };

    void load();
    void save() const;
    void forget_old();

    std::string path_;
    std::int64_t (*today_)();
    std::map<std::string, Python> pythons_;
};

// $XDG_CACHE_HOME/cellblock/imports.json; empty: there is no home.
std::string learned_imports_path();

}  // namespace cellblock::sandbox::pool
