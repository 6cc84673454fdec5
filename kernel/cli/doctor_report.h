// The report of `cellblock doctor`: a table for people, JSON for machines.
//
// Purpose: turns an Examination into text, and does nothing else. Pure functions that never fail.
#pragma once

#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/doctor/examination.h"

namespace cellblock::kernel {

// Layer by layer: does it stand, by what, and what was tried against it.
std::string doctor_table(const sandbox::Policy& policy, const sandbox::doctor::Examination& examination,
                         bool coloured);

// One object: policy, engine, kernel, python, promise_holds,
// layers [{layer, in_force, required, detail, remedy}],
// attempts [{id, group, tried, ending, what}].
std::string doctor_json(const sandbox::Policy& policy, const sandbox::doctor::Examination& examination);

}  // namespace cellblock::kernel
