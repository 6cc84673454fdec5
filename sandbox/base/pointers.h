// Texts as exec wants them.
//
// Purpose: pointers into the strings, and a null at the end. Ownership: the
// strings stay the caller's, and must stay where they are. Threads: pure.
// Failure: none.
#pragma once

#include <string>
#include <vector>

namespace cellblock::sandbox {

inline std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> list;
    list.reserve(strings.size() + 1);
    for (const auto& text : strings) {
        list.push_back(const_cast<char*>(text.c_str()));  // exec changes none, and takes no const
    }
    list.push_back(nullptr);
    return list;
}

}  // namespace cellblock::sandbox
