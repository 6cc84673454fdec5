// All by which an engine's sandbox is made elsewhere than in its session's own process.
//
// Purpose: what a client tells of its start (the native engine's has a plan for
// that), and what the maker of such a sandbox tells of what it has made.
// Ownership: plain values. Threads: pure. Failure: nullopt for bytes that are neither.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox::pool {

struct Order {
    std::string engine;
    std::string template_file;  // where it was read, for messages
    std::string template_text;
    std::string policy;                    // as JSON, whole
    std::string directory;                 // of the session, where the policy's files depend on it
    std::string packages;                  // as StartOptions has it
    std::vector<std::string> environment;  // the engine's command gets no other
    std::string stamp;                     // of all on disk that it is made of (stamp_of_start)
};

std::string to_bytes(const Order& order);
std::optional<Order> order_from(std::string_view bytes);
// Orders that differ in nothing but what lies on disk have the same.
std::string family_of(const Order& order);

// What a maker has made, and from now on is the relay of.
struct MadeParts {
    std::string cgroup;  // Cgroup::to_bytes
    std::string spec;    // relay::to_bytes, of what is to be cleared away should the relay be killed
};

std::string to_bytes(const MadeParts& parts);
std::optional<MadeParts> made_parts_from(std::string_view bytes);

}  // namespace cellblock::sandbox::pool
