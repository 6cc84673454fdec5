// The JSON library's class, compiled once in json_instance.cc. Where headers are precompiled, all files have
// this line, and so don't compile its members again each: a tenth of the work.
#pragma once

#include <nlohmann/json.hpp>

extern template class nlohmann::basic_json<>;
