// The names of how a cell ended, as programs read them: in the audit log and in a reply's metadata.
//
// Purpose: one list for all who tell them; they are part of both formats and don't change. Pure functions.
#pragma once

#include "sandbox/api/types.h"

namespace cellblock::sandbox {

const char* name_of(CellStatus status);    // "ok", "error", "timeout", "interrupted", "killed", "unavailable"
const char* name_of(EscalationStep step);  // "none", "interrupt", "worker_killed", "sandbox_killed"
const char* name_of(Survival state);       // "intact", "lost"

}  // namespace cellblock::sandbox
