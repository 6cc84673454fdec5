// The packages that one session has installed.
//
// Purpose: the folder `seen` is what its sandbox sees at /packages. Packages are
// added while the sandbox runs and are seen at once.
// Ownership: of the session's folder in the store; removed at the end, unless it
// is kept for a restart. Threads: one.
// Failure: an Error; what was shown before stays.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/packages/store.h"
#include "sandbox/packages/wheel.h"

namespace cellblock::sandbox {

class PackageFolder {
public:
    // `name`: an earlier session's, to find its packages again, or a new one; empty: a name is made up.
    static Result<PackageFolder> open(const PackageStore& store, const std::string& name);

    [[nodiscard]] std::string seen() const { return folder_.path() + "/seen"; }
    // name → version
    [[nodiscard]] const std::map<std::string, std::string>& installed() const { return installed_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

    // A new, empty folder beside `seen`, on the store's filesystem.
    [[nodiscard]] Result<TemporaryFolder> incoming() const;
    // Shows the entry's files instead of an earlier version's. The caller has bounded their size.
    Status add(const WheelName& wheel, const std::string& entry, std::uint64_t bytes);
    // The folder outlives this object, for a session of the same name that starts soon.
    void keep();

private:
    void remove_earlier(const std::string& name);
    [[nodiscard]] Status write_list() const;
    void read_list();

    UniqueFd lock_;  // before the folder, which is removed while nobody else may use it
    TemporaryFolder folder_;
    std::map<std::string, std::string> installed_;
    std::map<std::string, std::vector<std::string>> files_;  // name → its files below `seen`
    std::uint64_t bytes_ = 0;
};

}  // namespace cellblock::sandbox
