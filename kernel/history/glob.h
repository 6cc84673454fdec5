// A shell's pattern over a text.
//
// Purpose: history requests search by it. Pure. Threads: any. Failure: none.
#pragma once

#include <cstddef>
#include <limits>
#include <string_view>

namespace cellblock::kernel {

// Over the whole of `text`: * any, ? one character, [a-z] one of these, [^a]
// none of them. Takes time in the product of both lengths at most; where that
// would be more than `most_steps` comparisons, it gives up and says no.
bool glob_matches(std::string_view pattern, std::string_view text,
                  std::size_t most_steps = std::numeric_limits<std::size_t>::max());

}  // namespace cellblock::kernel
