// What a fuzz target asserts, whatever the build's flags.
#pragma once

#include <cstdlib>

inline void must(bool holds) {
    if (!holds) {
        std::abort();
    }
}
