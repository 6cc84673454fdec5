// cellblock-helper: the processes beside a session that read an attacker's bytes.
//
// Purpose: `cellblock-helper cleaner` makes outputs harmless (outputs/cleaner_program.h), `cellblock-helper
// broker` carries the cells' connections (network/broker_program.h). They are a program of their own, so that
// a kernel, which starts more often, doesn't load libxml2.
#include <fcntl.h>
#include <sys/stat.h>

#include <iostream>
#include <string_view>
#include <utility>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/network/broker_program.h"
#include "sandbox/outputs/cleaner_program.h"

namespace {

using cellblock::sandbox::kFirstGiven;
using cellblock::sandbox::UniqueFd;

// A socket that start_own() has given; closed for programs that this one starts.
bool is_given(const UniqueFd& fd) {
    struct stat info {};
    return ::fstat(fd.get(), &info) == 0 && S_ISSOCK(info.st_mode) &&
           ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) == 0;
}

}  // namespace

int main(int count, char** words) {
    const std::string_view word = count == 2 ? words[1] : "";
    UniqueFd first(kFirstGiven);
    UniqueFd second(word == "broker" ? kFirstGiven + 1 : -1);
    if (word == "cleaner" && is_given(first)) {
        return cellblock::sandbox::serve_cleaner(std::move(first));
    }
    if (word == "broker" && is_given(first) && is_given(second)) {
        return cellblock::sandbox::network::serve_broker(std::move(first), std::move(second));
    }
    std::cerr << "cellblock-helper: this is started by cellblock itself\n";
    return 2;
}
