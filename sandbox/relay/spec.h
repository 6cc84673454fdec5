// All that a relay is told at its start.
//
// Purpose: the engine has decided everything; the relay only carries it out. Ownership: plain values.
// Threads: pure. Failure: bytes that aren't a spec give nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox::relay {

struct Spec {
    std::vector<std::string> command;  // its stdin and stdout are the way inside
    std::vector<std::string> kill;     // ends and removes what the command has made; empty: it needs nothing
    std::vector<std::string>
        sweep;            // run once beside the sandbox, for what crashed owners left; may be empty
    std::string program;  // what the far end reads before any frame
    std::vector<std::string> cgroup_files;    // joined by the command alone
    std::vector<std::string> cgroup_folders;  // removed at the end
    std::vector<std::string> folders;         // the same
    std::vector<std::string>
        mounts;  // pairs: a host's path, and where the command finds it, mounted for it alone
    std::uint32_t connections = 0;  // to the proxy, that may be open at a time; 0: there is no proxy
    std::uint32_t user = 0;         // whom the command runs as; 0: as the caller
    std::uint32_t group = 0;
};

// The part of the spec that clear_away() needs.
Spec for_clearing(const Spec& spec);

std::string to_bytes(const Spec& spec);
std::optional<Spec> spec_from(std::string_view bytes);

}  // namespace cellblock::sandbox::relay
