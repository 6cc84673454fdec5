// How much a task brings.
#include "sandbox/outputs/cleaning_task.h"

#include <variant>

namespace cellblock::sandbox {

std::size_t CleaningTask::bytes() const {
    std::size_t total = name.size() + target.size();
    for (const auto& part : parts) {
        total += part.type.size();
        if (const auto* text = std::get_if<std::string>(&part.value)) {
            total += text->size();
        } else if (const auto* bytes = std::get_if<Bytes>(&part.value)) {
            total += bytes->value.size();
        } else {
            total += std::get<RawJson>(part.value).text.size();
        }
    }
    return total;
}

}  // namespace cellblock::sandbox
