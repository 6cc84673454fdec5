// A small file's text.
//
// Purpose: files of proc, sys and cgroup, which can end under the reader (a
// process that is gone answers ESRCH), and the like. Threads: any.
// Failure: what can't be read is left out; never throws for it, as a stream's
// iterator does.
#pragma once

#include <cstdint>
#include <string>

namespace cellblock::sandbox {

std::string file_text(const std::string& path);
// From the begin, wherever it was read before. -1: empty.
std::string file_text(int fd);

// The number behind `key` in lines of "key value"; 0: it isn't there.
std::uint64_t value_in(const std::string& text, const std::string& key);

}  // namespace cellblock::sandbox
