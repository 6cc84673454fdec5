// Starting builders.
#include "sandbox/packages/builder.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "sandbox/jail/jail_sandbox.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox {

namespace {

constexpr std::uint64_t kMiB = 1024ULL * 1024;
constexpr const char* kProxies[] = {"http_proxy", "https_proxy", "all_proxy",
                                    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"};
constexpr const char* kNoProxies[] = {"no_proxy", "NO_PROXY"};

// Room for wheels, pip's cache and what is unpacked; the writable filesystem counts as memory.
Policy builder_policy(const Policy& policy, bool network) {
    Policy out = policy;
    out.files.clear();
    out.environment.clear();
    out.limits.disk_bytes = 2 * policy.packages.size_bytes + 256 * kMiB;
    out.limits.memory_bytes = out.limits.disk_bytes + 512 * kMiB;
    out.limits.processes = 16;
    out.require.level.clear();
    if (network) {
        std::erase(out.require.layers, Layer::network);
        for (const char* name : kProxies) {
            out.environment.push_back({name, std::nullopt});
        }
        for (const char* name : kNoProxies) {
            out.environment.push_back({name, std::nullopt});
        }
    }
    return out;
}

// Of "https://host:8443/path"; 443 or 80 where none is given.
std::uint16_t port_of(std::string_view url) {
    const std::uint16_t usual = url.starts_with("https:") ? 443 : 80;
    if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
        url.remove_prefix(scheme + 3);
    }
    url = url.substr(0, url.find('/'));
    const auto colon = url.rfind(':');
    if (colon == std::string_view::npos || url.ends_with(']')) {
        return usual;
    }
    std::uint16_t port = 0;
    const auto read = std::from_chars(url.data() + colon + 1, url.data() + url.size(), port);
    return read.ec == std::errc() && port != 0 ? port : usual;
}

// Names (by TCP, should an answer be long), the index, where its links lead, the host's proxies.
std::vector<std::uint16_t> ports_of(const Policy& policy) {
    std::vector<std::uint16_t> ports{53, 443, port_of(policy.packages.index)};
    for (const char* name : kProxies) {
        if (const char* value = std::getenv(name); value != nullptr) {
            ports.push_back(port_of(value));
        }
    }
    return ports;
}

Result<std::unique_ptr<Sandbox>> start(const Policy& policy, const jail::BuilderJob& job) {
    const auto plan = [&](const jail::PythonHome& python, const jail::OwnFiles& own, bool memory_is_limited) {
        return jail::build_builder_plan(policy, job, python, own, memory_is_limited);
    };
    return jail::start_jail(policy, plan);
}

}  // namespace

Result<std::unique_ptr<Sandbox>> start_fetcher(const Policy& policy) {
    jail::BuilderJob job;
    job.mode = "fetch";
    job.network = true;
    job.ports = ports_of(policy);
    job.certificates = own_certificates();
    return start(builder_policy(policy, true), job);
}

Result<std::unique_ptr<Sandbox>> start_unpacker(const Policy& policy, const WheelName& wheel,
                                                const std::string& path) {
    jail::BuilderJob job;
    job.mode = "unpack";
    job.wheel = path;
    job.wheel_name = wheel.file;
    return start(builder_policy(policy, false), job);
}

std::string own_certificates() {
    for (const char* name : {"PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}) {
        struct stat info {};
        const char* path = std::getenv(name);
        if (path != nullptr && *path == '/' && ::stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            return path;
        }
    }
    return {};
}

}  // namespace cellblock::sandbox
