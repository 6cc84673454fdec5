// Telling a file from a later one of the same name.
//
// Purpose: what was made of a file is of no use once that is another, or says
// something else. Ownership: plain values. Threads: no shared state.
// Failure: "-" for what isn't there.
#pragma once

#include <string>

namespace cellblock::sandbox {

// Which one it is: device and inode.
std::string which_file(const std::string& path);
// And when it was last written.
std::string file_stamp(const std::string& path);
// And when anything of it was last changed; of a link, the link's own.
std::string whole_file_stamp(const std::string& path);

}  // namespace cellblock::sandbox
