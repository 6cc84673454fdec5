// Which of a jail's layers are really in force on this host.
//
// Purpose: a limit that couldn't be had must be visible, not believed.
// Ownership: plain values. Threads: no shared state. Failure: none.
#pragma once

#include <string>
#include <vector>

namespace cellblock::sandbox::jail {

struct Layer {
    std::string name;  // "memory of the whole sandbox"
    bool in_force = false;
    std::string detail;  // by what, or why not
};

using LayersInForce = std::vector<Layer>;

// Those without which no jail starts at all.
LayersInForce certain_layers(bool privileged);

}  // namespace cellblock::sandbox::jail
