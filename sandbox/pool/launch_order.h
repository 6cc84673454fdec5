// All by which an engine's sandbox is started by another process than its session's own.
//
// Purpose: the order, which a client sends (the native engine sends a plan instead), and the report, in which
// a launcher tells what it has started. Ownership: plain values. Threads: pure. Failure: nullopt for bytes
// that are neither.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox::pool {

struct LaunchOrder {
    std::string engine;
    std::string template_file;  // where it was read, for messages
    std::string template_text;
    std::string policy;                    // as JSON, whole
    std::string directory;                 // of the session, where the policy's files depend on it
    std::string packages;                  // as StartOptions has it
    std::vector<std::string> environment;  // the engine's command gets no other
    std::string stamp;                     // of all on disk that it is made of (stamp_of_start)
};

std::string to_bytes(const LaunchOrder& order);
std::optional<LaunchOrder> launch_order_from(std::string_view bytes);
// The same text for orders that differ in nothing but what lies on disk.
std::string family_of(const LaunchOrder& order);

// The sandbox that a launcher has started and is the relay of.
struct LaunchReport {
    std::string cgroup;  // Cgroup::to_bytes
    std::string spec;    // relay::to_bytes, of what is to be cleared away should the relay be killed
};

std::string to_bytes(const LaunchReport& parts);
std::optional<LaunchReport> launch_report_from(std::string_view bytes);

}  // namespace cellblock::sandbox::pool
