// Installs what a cell asks for: resolve, fetch, unpack, show.
//
// Purpose: drives builders one after another. First a fetcher asks the index
// what is needed, and sends the wheels that the store doesn't have; the host
// computes their digests itself. Then each new wheel is unpacked in a jail
// without a network that holds nothing else, so that what lies under a digest
// was made of these bytes alone. At last the files are shown to the session.
// Shape: a non-blocking state machine: poll_fd(), next_deadline(), advance().
// Ownership: of the builders and of unfinished folders; both are gone after cancel() and after the answer.
// Threads: one. Failure: told in the answer; what was installed before stays.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/api/session.h"
#include "sandbox/channel/messages.h"
#include "sandbox/packages/builder_messages.h"
#include "sandbox/packages/package_folder.h"
#include "sandbox/packages/store.h"
#include "sandbox/packages/tree_writer.h"
#include "sandbox/policy/requirement.h"

namespace cellblock::sandbox {

class Installer {
public:
    // `name`: as PackageFolder::open has it. The store is opened here, since a sandbox is shown its folder at
    // its start.
    Installer(const Policy& policy, const std::string& name, Now now);
    ~Installer();
    Installer(const Installer&) = delete;
    Installer& operator=(const Installer&) = delete;

    // The folder that sandboxes see at /packages; empty: packages can't be installed.
    [[nodiscard]] std::string folder() const;
    void keep_folder();

    // `python`: the version that the session's sandbox runs ("3.11.2").
    void begin(const InstallRequest& request, const std::string& python);
    [[nodiscard]] bool busy() const { return work_ != nullptr; }
    void cancel();

    [[nodiscard]] int poll_fd() const { return epoll_.get(); }
    [[nodiscard]] std::optional<TimePoint> next_deadline() const;
    // Does what can be done without waiting. Lines for the user go to `note`; the answer is given once, at
    // the end.
    std::optional<InstallAnswer> advance(const std::function<void(std::string)>& note);

private:
    struct Wanted {
        WheelName wheel;
        std::string digest;  // as the index says; then as computed
        bool fetched = false;
    };
    // The request that is worked on.
    struct Work {
        TimePoint deadline;
        std::string variant;  // of entries: which Python unpacks
        FetchOrder order;
        std::vector<Wanted> wanted;
        std::size_t next = 0;  // of `wanted`, while they are unpacked
        bool unpacking = false;
        std::uint64_t unpacked = 0;      // bytes of the present one
        std::uint64_t unpacked_all = 0;  // of those before it
        std::unique_ptr<Sandbox> builder;
        FrameReader reader{kBuilderBounds};
        FrameWriter writer;
        TemporaryFolder wheels;
        TemporaryFolder tree;
        std::optional<TreeWriter> files;
        int notes = 0;
        InstallAnswer answer;
    };
    using Step = Result<bool>;  // true: all is done

    Step step(const std::function<void(std::string)>& note);
    Step take(BuilderMessage message, const std::function<void(std::string)>& note);
    Step on(const Resolved& resolved);
    Step on(const BuiltFile& file);
    Step on(const BuiltData& data);
    Step on(const BuilderDone& done);
    Status start(Result<std::unique_ptr<Sandbox>> builder, const std::string& frame);
    Status expect_wheels(const std::vector<std::string>& pins);
    // How many bytes the policy's packages.size leaves for this request.
    [[nodiscard]] std::uint64_t room() const;
    Step unpack_next();
    Step show();
    void stop_builder();
    Status send(std::string bytes);
    [[nodiscard]] Wanted* wheel_named(const std::string& file);
    [[nodiscard]] std::string key_of(const Wanted& wanted) const {
        return wanted.digest + "-" + work_->variant;
    }

    const Policy policy_;
    Now now_;
    UniqueFd epoll_;
    std::optional<PackageStore> store_;
    std::optional<PackageFolder> folder_;
    std::string unusable_;  // why there is no store
    std::unique_ptr<Work> work_;
    std::optional<InstallAnswer> refused_;
};

}  // namespace cellblock::sandbox
