// The names of the members are those of ipykernel's usage_reply.
#include "kernel/server/usage.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

namespace cellblock::kernel {

namespace {

nlohmann::json memory_within(std::uint64_t used, std::uint64_t total) {
    const auto left = total - std::min(used, total);
    return {{"total", total},
            {"available", left},
            {"free", left},
            {"used", used},
            {"percent", 100.0 * static_cast<double>(used) / static_cast<double>(total)}};
}

}  // namespace

double UsageMeter::cpu_percent(double cpu_seconds) {
    const auto now = Clock::now();
    const auto last = std::exchange(asked_at_, now);
    const double used = cpu_seconds - std::exchange(cpu_seconds_, cpu_seconds);
    const double passed = std::chrono::duration<double>(now - last).count();
    // At the first question there is nothing to compare with, and after a restart the sum begins anew.
    return last == Clock::time_point{} || used < 0 || passed <= 0 ? 0.0 : 100.0 * used / passed;
}

std::string UsageMeter::reply(const sandbox::Session& session) {
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    const auto& limits = session.policy().limits;
    nlohmann::json content{
        {"status", "ok"}, {"hostname", host.data()}, {"pid", ::getpid()}, {"cpu_count", limits.cpus}};
    const auto usage = session.usage();
    if (usage.measured) {
        const double percent = cpu_percent(usage.cpu_seconds);
        content["kernel_cpu"] = percent;
        content["kernel_memory"] = usage.memory_bytes;
        content["host_cpu_percent"] = std::min(100.0, percent / limits.cpus);
        content["host_virtual_memory"] = memory_within(usage.memory_bytes, limits.memory_bytes);
    }
    return content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace cellblock::kernel
