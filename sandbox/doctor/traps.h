// Traps that the doctor plants on the host, to see whether a sandbox reaches them.
//
// Purpose: a secret in the home folder, in the environment and open as a file;
// servers on the loopback, at a path and at an abstract name; a folder with a
// file, as a notebook's. The host's side is looked at after each attempt: what
// the sandbox says of itself isn't the only witness.
// Ownership: everything planted is removed at destruction. Threads: one.
// Failure: plant() gives an Error where the home folder can't be written.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::doctor {

class Traps {
public:
    static Result<std::unique_ptr<Traps>> plant();
    ~Traps();
    Traps(const Traps&) = delete;
    Traps& operator=(const Traps&) = delete;

    // Where the policy allows hosts: allows the trap's own server by the name localhost, and this machine by
    // its name, so that attempts can begin as a cell does that is allowed to.
    void allow_own_hosts(NetworkRules& rules) const;
    // Paths, ports and tokens for the attempts, as JSON.
    [[nodiscard]] std::string facts(const Policy& policy) const;
    // A folder that stands for the notebook's.
    [[nodiscard]] const std::string& shown_folder() const { return shown_; }
    // In words, what was reached or changed since the last call; empty: nothing.
    std::optional<std::string> touched();

private:
    Traps() = default;
    std::optional<Error> plant_files();
    void plant_servers();

    std::string token_;
    std::string folder_;  // in the home folder
    std::string shown_;
    std::string secret_;
    UniqueFd open_secret_;  // without close-on-exec, on purpose
    UniqueFd loopback_;
    UniqueFd loopback_6_;
    UniqueFd allowed_;  // may be connected to, and is sent nothing by what isn't allowed
    UniqueFd abstract_;
    UniqueFd path_;
    int port_ = 0;
    int port_6_ = 0;
    int allowed_port_ = 0;
};

}  // namespace cellblock::sandbox::doctor
