// Small files: reading one, telling one from a later one of the same name, files in memory.
//
// Purpose: files of proc, sys and cgroup can end under their reader (a process that has ended answers ESRCH),
// so none of these functions throws, as a stream's iterator does. A file that a person names may be anything,
// a FIFO or a device too, and nobody waits for it. Threads: any; no shared state.
#pragma once

#include <cstdint>
#include <string>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

// The file's text. What can't be read is left out: of a missing file the text is empty.
std::string file_text(const std::string& path);
// The text from the file's start, wherever the descriptor stands. The text of -1 is empty.
std::string file_text(int fd);

// The text of a regular file of at most `most` bytes, which are whole KiB. An Error, which names `step`: the
// file can't be read, is none, or is longer.
Result<std::string> regular_file_text(const std::string& step, const std::string& path, std::size_t most);
// The same of a file that holds a secret: also an Error where anybody but its owner may read or change it.
Result<std::string> secret_file_text(const std::string& step, const std::string& path, std::size_t most);

// The number behind `key` in lines of "key value"; 0 where no line has the key.
std::uint64_t value_in(const std::string& text, const std::string& key);

// The sum, in bytes, of the lines "Name:   12 kB" whose names begin with `start`, as in /proc/meminfo.
std::uint64_t sum_of_kib(const std::string& text, std::string_view start);

// Stamps tell whether something that was made from a file is still good. The stamp of a missing file is "-".
std::string which_file(const std::string& path);  // device and inode: which file it is
std::string file_stamp(const std::string& path);  // and when the file was last written
std::string whole_file_stamp(
    const std::string& path);  // and its size and last change; of a link, the link's own

// Makes the folder and what is missing above it, at most so many folders in all: ~/.cache/cellblock takes two
// in a new home, and a home that is gone doesn't come back for a cache. False: it isn't there.
bool make_folders(const std::string& folder, int most);

// A file in memory that holds these bytes: for what is too long for a message, or is for another process to
// read. The descriptor is closed on exec and stands at the file's start.
Result<UniqueFd> memory_file(const std::string& bytes);

}  // namespace cellblock::sandbox
