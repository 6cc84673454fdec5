// The unit tests' main where Catch2 2 is installed, which compiles its own into one file. Catch2 3 brings a
// library.
#define CATCH_CONFIG_MAIN
#include "tests/unit/catch.h"
