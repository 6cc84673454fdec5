// The rows of `packages`: what cells may install.
#include <algorithm>
#include <array>

#include "sandbox/policy/key_table.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::uint64_t kMiB = 1024ULL * 1024;

template <class T>
std::function<Status(const json&, Policy&)> into(T PackageRules::*member,
                                                 std::function<Result<T>(const json&)> read) {
    return [=](const json& value, Policy& policy) -> Status {
        auto result = read(value);
        if (!result) {
            return result.error();
        }
        policy.packages.*member = std::move(*result);
        return Ok{};
    };
}

// It is written into an argument of pip's, and connected to from outside of the cells' sandbox.
bool is_index(std::string_view text) {
    constexpr auto kStarts =
        std::to_array<std::string_view>({"https://", "http://127.0.0.1", "http://localhost", "http://[::1]"});
    const auto* start = std::find_if(kStarts.begin(), kStarts.end(),
                                     [&](std::string_view one) { return text.starts_with(one); });
    if (start == kStarts.end() || text.size() > 500 || text.size() == start->size()) {
        return false;
    }
    const std::string_view rest = text.substr(start->size());
    const bool whole_host = start->ends_with('/') || rest.front() == ':' || rest.front() == '/';
    return whole_host && rest.front() != '-' && std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 ||
                      std::string_view("._~:/%+-").find(static_cast<char>(c)) != std::string_view::npos;
           });
}

Result<std::string> read_index(const json& value) {
    auto text = read_text("packages.index", value, 500);
    if (!text || !is_index(*text)) {
        return wrong_value("packages.index", value,
                           "an address as \"https://pypi.org/simple\": https, or http on this machine's own "
                           "loopback, without a user's name");
    }
    return text;
}

}  // namespace

std::vector<PolicyKey> package_keys() {
    return {
        PolicyKey{"packages.allow", "list of text", "[]", "at most 64 packages, or `*`",
                  "What cells may install with `%pip install`: names with version ranges (`pandas>=2,<3`). "
                  "Wheels only; they are fetched and unpacked outside of the cells' sandbox, in one of their "
                  "own, and vanish with the session.",
                  into<std::vector<std::string>>(
                      &PackageRules::allow,
                      [](const json& value) { return read_packages("packages.allow", value); }),
                  [](const Policy& policy) { return ordered_json(policy.packages.allow); }},
        PolicyKey{"packages.dependencies", "true or false", "true", "",
                  "Whether packages that allowed ones need come along though `packages.allow` doesn't name "
                  "them.",
                  into<bool>(&PackageRules::dependencies,
                             [](const json& value) { return read_flag("packages.dependencies", value); }),
                  [](const Policy& policy) { return ordered_json(policy.packages.dependencies); }},
        PolicyKey{"packages.index", "text", "\"https://pypi.org/simple\"",
                  "`https://…`, or `http://` on this machine's loopback; no user name in it",
                  "Where packages come from: an index as pip's `--index-url` names it.",
                  into<std::string>(&PackageRules::index, &read_index),
                  [](const Policy& policy) { return ordered_json(policy.packages.index); }},
        PolicyKey{
            "packages.size", "size", "\"1GiB\"", exact_size(kMiB) + " to " + exact_size(64 * 1024 * kMiB),
            "Of all that one session has installed, unpacked.",
            into<std::uint64_t>(
                &PackageRules::size_bytes,
                [](const json& value) { return read_size("packages.size", value, kMiB, 64 * 1024 * kMiB); }),
            [](const Policy& policy) { return ordered_json(exact_size(policy.packages.size_bytes)); }},
        PolicyKey{"packages.store", "size", "\"4GiB\"",
                  exact_size(kMiB) + " to " + exact_size(1024 * 1024 * kMiB),
                  "Of what is kept unpacked for later sessions; the longest unused go.",
                  into<std::uint64_t>(&PackageRules::store_bytes,
                                      [](const json& value) {
                                          return read_size("packages.store", value, kMiB, 1024 * 1024 * kMiB);
                                      }),
                  [](const Policy& policy) { return ordered_json(exact_size(policy.packages.store_bytes)); }},
        PolicyKey{"packages.time", "duration", "\"5m\"", exact_duration(1s) + " to " + exact_duration(24h),
                  "For one `%pip install`; the cell's own clock stands still meanwhile.",
                  into<std::chrono::milliseconds>(
                      &PackageRules::time,
                      [](const json& value) { return read_duration("packages.time", value, 1s, 24h); }),
                  [](const Policy& policy) { return ordered_json(exact_duration(policy.packages.time)); }},
    };
}

}  // namespace cellblock::sandbox
