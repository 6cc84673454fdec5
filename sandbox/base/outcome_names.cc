// The names.
#include "sandbox/base/outcome_names.h"

namespace cellblock::sandbox {

const char* name_of(CellStatus status) {
    switch (status) {
        case CellStatus::ok:
            return "ok";
        case CellStatus::error:
            return "error";
        case CellStatus::timeout:
            return "timeout";
        case CellStatus::interrupted:
            return "interrupted";
        case CellStatus::killed:
            return "killed";
        case CellStatus::unavailable:
            return "unavailable";
    }
    return "";
}

const char* name_of(EscalationStep step) {
    switch (step) {
        case EscalationStep::none:
            return "none";
        case EscalationStep::interrupt:
            return "interrupt";
        case EscalationStep::worker_killed:
            return "worker_killed";
        case EscalationStep::sandbox_killed:
            return "sandbox_killed";
    }
    return "";
}

const char* name_of(Survival state) {
    return state == Survival::intact ? "intact" : "lost";
}

}  // namespace cellblock::sandbox
