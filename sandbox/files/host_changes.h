// Changes that the host makes in folders that a sandbox sees by an overlay.
//
// Purpose: an overlay remembers names that were looked up, so the sandbox must be told before a cell that a
// file was replaced, made or removed (what is written in place is seen anyway). inotify tells which. Where it
// can't (too many folders, or too many watches of this user), every take() gives a change, which costs the
// sandbox a remount for each cell.
//
//     changes.begin();
//     if (auto changed = changes.take()) { ... sandbox.see_host_changes() ... }
//
// Ownership: of the watches. Threads: one; begin() works in the background. Failure: none, see above.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/api/policy.h"

namespace cellblock::sandbox::files {

struct HostChange {
    std::string host;    // absolute
    std::string inside;  // absolute: "/work/out/a.csv"

    bool operator==(const HostChange&) const = default;
};

class HostChanges {
public:
    static constexpr std::size_t kMostNames = 20;

    // `directory`: the session's, for paths that are relative.
    HostChanges(const Policy& policy, const std::string& directory);
    ~HostChanges();
    HostChanges(const HostChanges&) = delete;
    HostChanges& operator=(const HostChanges&) = delete;

    // Watches from now on, if the policy has overlays. Again: nothing.
    void begin();
    // No more.
    void stop();
    // Since the last take(): files that came, were replaced or went, at most kMostNames of them by name.
    // nullopt: nothing has changed.
    std::optional<std::vector<HostChange>> take();
    // The next take() gives these again.
    void give_back(std::vector<HostChange> changes);

private:
    struct Watch;
    std::vector<HostChange> roots_;  // the shown folders
    std::shared_ptr<Watch> watch_;   // the background's too
    std::vector<HostChange> again_;
};

// Gives folders in which names came or went the time of now, as a folder that cells have changed too has the
// time of their change alone; Python looks for modules anew only where a folder's time is another one.
// `changes`: the folder of what cells have changed in the working directory.
void touch_folders(const std::vector<HostChange>& changed, int changes);

// The files of `changed` that the sandbox still sees as they were before, as something in there has them
// open. `seen`: each file as the sandbox sees it; `changes`: as above, since a file that cells have
// written is theirs.
std::vector<HostChange> still_old(const std::vector<HostChange>& changed, const std::vector<SeenFile>& seen,
                                  int changes);

}  // namespace cellblock::sandbox::files
