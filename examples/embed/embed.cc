// Runs one cell in a sandbox, prints what the cell prints, and writes its figure to figure.png.
#include <sandbox/api/program.h>
#include <sandbox/api/session.h>

#include <fstream>
#include <iostream>

using namespace cellblock::sandbox;

constexpr const char* kCell =
    "import matplotlib.pyplot as plt\n"
    "print(sum(range(101)))\n"
    "plt.plot([n * n for n in range(10)])\n"
    "plt.show()\n";

void show(const Event& event) {
    if (const auto* stream = std::get_if<StreamOutput>(&event)) {
        std::cout << stream->text;
    } else if (const auto* display = std::get_if<DisplayOutput>(&event)) {
        for (const auto& item : display->data) {
            if (item.type == "image/png") {
                std::ofstream("figure.png", std::ios::binary) << std::get<Bytes>(item.value).value;
            }
        }
    }
}

int main() {
    use_program(CELLBLOCK_PROGRAM);
    const auto policy = load_policy("default");
    if (!policy) {
        std::cerr << policy.error().text() << "\n";
        return 1;
    }
    Session session(*policy, make_engine(*policy), {.directory = "."});
    ExecuteRequest cell;
    cell.code = kCell;
    const Outcome outcome = session.execute_blocking(cell, show);
    if (outcome.error) {
        std::cerr << outcome.error->ename << ": " << outcome.error->evalue << "\n";
    }
    return outcome.status == CellStatus::ok ? 0 : 1;
}
