// The one place where the class is compiled.
#include "sandbox/base/json_instance.h"

template class nlohmann::basic_json<>;
