// Kept files as JSON.
#include "kernel/server/kept_files.h"

namespace cellblock::kernel {

using nlohmann::json;

json kept_files(const sandbox::Outcome& outcome) {
    json list = json::array();
    for (const auto& file : outcome.files) {
        list.push_back({{"name", file.name},
                        {"path", file.path},
                        {"size", file.size_bytes},
                        {"mime", file.mime},
                        {"sha256", file.sha256}});
    }
    return list;
}

json files_not_kept(const sandbox::Outcome& outcome) {
    json list = json::array();
    for (const auto& file : outcome.not_kept) {
        list.push_back({{"name", file.name}, {"reason", file.reason}});
    }
    return list;
}

}  // namespace cellblock::kernel
