// Reports of a jail's processes to the host, about the jail's making and its end.
//
// Purpose: the messages on the control socket (SOCK_SEQPACKET) between the
// host, the supervisor and PID 1 before its exec. Plain bytes of a fixed
// layout: both ends are the same program.
// Threads: written after fork; nothing here allocates.
#pragma once

#include <cstdint>

namespace cellblock::sandbox::jail {

// A step of setting up a jail, about in the order of enter(). No code may rely on that order.
enum class Step : std::int32_t {
    none,
    start_first_process,
    watch_parent,
    ask_attendant,
    map_user,
    join_cgroup,
    host_name,
    loopback,
    listen,
    private_mounts,
    open_source,  // index: of the FileStep
    base_filesystem,
    scratch_filesystem,
    file_step,  // index: of the FileStep
    change_root,
    read_only_root,
    parent_gone,
    cgroup_namespace,
    standard_streams,
    change_user,
    last_user_namespace,
    resource_limit,  // index: the RLIMIT_ number
    working_directory,
    drop_capabilities,
    no_new_privileges,
    landlock,
    landlock_rule,  // index: of the LandlockRule
    system_call_filter,
    execute,
};

struct Failure {
    Step step = Step::none;
    std::int32_t index = 0;
    std::int32_t error = 0;  // errno

    [[nodiscard]] bool happened() const { return step != Step::none; }
};

// Host → supervisor: one byte.
constexpr char kKillRequest = 'k';
constexpr char kStateRequest = 's';  // answered by one Report: running, or ended

// How a supervisor leaves, once the host has let go of it: the jail was alive until then, had ended by
// itself, was ended by the host's request, or never was set up.
constexpr int kLeftAlive = 0;
constexpr int kLeftEnded = 1;
constexpr int kLeftKilled = 2;
constexpr int kLeftUnmade = 3;

constexpr std::uint32_t kTailBytes = 8192;

// `made`, `mounted` and `listening`, sent by the jail's first process where the plan wants it, have a
// descriptor beside them: the folder of changes (JailPlan::shows_changes); the mount namespace (where there
// is an overlay); the socket that listens (JailPlan::listens).
enum class ReportKind : std::int32_t { setup_failed, running, ended, made, mounted, listening };

// Jail → host.
struct Report {
    ReportKind kind = ReportKind::running;
    Failure failure;               // of setup_failed
    std::int32_t wait_status = 0;  // of ended: PID 1's, as of waitpid
    std::uint32_t text_size = 0;   // the last of what was written to descriptors 1 and 2
    char text[kTailBytes] = {};
};

}  // namespace cellblock::sandbox::jail
