// A cell's first lines (%%timeout), and a file's cells.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kernel/cli/cells.h"
#include "sandbox/api/policy.h"
#include "sandbox/session/cell_options.h"

using namespace cellblock;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const sandbox::Policy policy = sandbox::builtin_policy();
    const std::string code(reinterpret_cast<const char*>(data), size);
    if (const auto options = sandbox::read_cell_options(code, policy)) {
        const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
        if (options->time > policy.limits.cell_time_max || lines(options->code) != lines(code)) {
            std::abort();
        }
    }
    (void)kernel::split_cells(code);
    return 0;
}
