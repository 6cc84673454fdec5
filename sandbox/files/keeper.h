// Keeping the files that cells write, by the policy's files[].keep.
//
// Purpose: after a cell, what lies in the sandbox's folder of changes is looked through, and what is new
// there since the look before is copied to the host's folder. No name, type or size that the sandbox tells is
// believed, and the sandbox may change all of it meanwhile. It takes time, so it is done in the background.
// Shape: begin(), poll poll_fd(), take(). Ownership: of the descriptors. Threads: one. Failure: told as a
// FileNotKept.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/api/types.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::files {

struct Kept {
    std::vector<KeptFile> files;
    std::vector<FileNotKept> not_kept;
};

class Keeper {
public:
    // `directory`: the session's, for paths that are relative.
    Keeper(const Policy& policy, const std::string& directory);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    // Whether the policy keeps any.
    [[nodiscard]] bool on() const { return work_ != nullptr; }
    // -1 where it doesn't.
    [[nodiscard]] int poll_fd() const;
    // `changes`: as Sandbox::changes() gives it. The result tells an Error, but none twice in a row. It is
    // there at once where there is nothing to look for.
    void begin(Result<UniqueFd> changes);
    // A file that a client of the session writes (`path`: relative, or below /work) is no cell's: it isn't
    // kept from begin_given() to end_given(), nor later while it has this size and time (nanoseconds since
    // 1970).
    void begin_given(const std::string& path);
    void end_given(const std::string& path, std::uint64_t size_bytes, std::uint64_t modified);
    // The look ends soon, with what it has kept so far.
    void cancel();
    // After begin(): the result, once; nullopt: not yet.
    std::optional<Kept> take();

private:
    struct Work;
    std::shared_ptr<Work> work_;  // the background's too, while busy
    bool busy_ = false;
};

}  // namespace cellblock::sandbox::files
