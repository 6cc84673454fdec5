// /proc/PID/stat; proc(5).
#include "sandbox/base/process_identity.h"

#include <sys/stat.h>

#include <sstream>

#include "sandbox/base/file_text.h"

namespace cellblock::sandbox {

std::string process_start_time(const std::string& pid) {
    const std::string text = file_text("/proc/" + pid + "/stat");
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos) {
        return {};
    }
    std::istringstream fields(text.substr(name_end + 1));
    constexpr int kStartTime = 20;  // the 22nd of all, and the name was the second
    std::string state;
    fields >> state;
    std::string field;
    for (int i = 1; i < kStartTime; ++i) {
        fields >> field;
    }
    return fields && state != "Z" && state != "X" ? field : std::string();
}

std::string pid_namespace() {
    struct stat info {};
    return ::stat("/proc/self/ns/pid", &info) == 0 ? std::to_string(info.st_ino) : std::string("0");
}

}  // namespace cellblock::sandbox
