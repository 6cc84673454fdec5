#include "kernel/cli/run_report.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "kernel/jupyter/message_text.h"
#include "kernel/server/kept_files.h"

namespace cellblock::kernel {

namespace {

using nlohmann::json;
using namespace sandbox;

struct Ending {
    const char* word;
    int exit_status;
};

// The words and numbers of timeout(1), of shells and of container runtimes.
Ending ending_of(CellStatus status) {
    switch (status) {
        case CellStatus::ok:
            return {"ok", 0};
        case CellStatus::error:
        case CellStatus::interrupted:
            return {"error", 1};
        case CellStatus::timeout:
            return {"timeout", 124};
        case CellStatus::killed:
            return {"killed", 137};
        case CellStatus::unavailable:
            break;
    }
    return {"unavailable", 125};
}

json as_json_value(const MimeItem& item) {
    struct Convert {
        json operator()(const std::string& text) const { return text; }
        json operator()(const Bytes& bytes) const { return base64(bytes.value); }
        json operator()(const RawJson& raw) const { return json::parse(raw.text, nullptr, false); }
    };
    return std::visit(Convert{}, item.value);
}

const MimeItem* find(const DisplayOutput& output, std::string_view type) {
    const auto found = std::find_if(output.data.begin(), output.data.end(),
                                    [&](const MimeItem& item) { return item.type == type; });
    return found == output.data.end() ? nullptr : &*found;
}

void print(FILE* to, const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), to);
    std::fflush(to);
}

// An exit status from 0 to 255, or nothing.
std::optional<int> exit_status_in(const ErrorText& error) {
    const std::string& text = error.evalue;
    int status = -1;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), status);
    const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
    return error.ename == "SystemExit" && whole && status >= 0 && status <= 255 ? std::optional(status)
                                                                                : std::nullopt;
}

}  // namespace

void RunReport::on_stream(const StreamOutput& output) {
    const bool out = output.name == StreamName::standard_output;
    if (as_json_) {
        (out ? stdout_ : stderr_) += output.text;
    } else {
        print(out ? stdout : stderr, output.text);
    }
}

void RunReport::save_figure(const std::string& extension, const std::string& bytes) {
    const std::string path = plots_ + "/figure-" + std::to_string(++figures_) + extension;
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file && !error_) {
        error_ = errno_error("write " + path, "Give --plots a folder that can be written to");
    } else if (!as_json_) {
        print(stdout, "[figure: " + path + "]\n");
    }
}

void RunReport::on_display(const DisplayOutput& output) {
    const MimeItem* png = find(output, "image/png");
    const MimeItem* jpeg = find(output, "image/jpeg");
    const MimeItem* svg = find(output, "image/svg+xml");
    if (as_json_) {
        json bundle = json::object();
        for (const auto& item : output.data) {
            bundle[item.type] = as_json_value(item);
        }
        results_.push_back(std::move(bundle));
    } else if (const MimeItem* text = find(output, "text/plain"); text != nullptr) {
        if (const auto* plain = std::get_if<std::string>(&text->value)) {
            print(stdout, *plain + "\n");
        }
    }
    if (plots_.empty()) {
        return;
    }
    if (png != nullptr && std::holds_alternative<Bytes>(png->value)) {
        save_figure(".png", std::get<Bytes>(png->value).value);
    } else if (jpeg != nullptr && std::holds_alternative<Bytes>(jpeg->value)) {
        save_figure(".jpg", std::get<Bytes>(jpeg->value).value);
    } else if (svg != nullptr && std::holds_alternative<std::string>(svg->value)) {
        save_figure(".svg", std::get<std::string>(svg->value));
    }
}

void RunReport::take(Event event) {
    if (const auto* stream = std::get_if<StreamOutput>(&event)) {
        on_stream(*stream);
    } else if (const auto* display = std::get_if<DisplayOutput>(&event)) {
        on_display(*display);
    } else if (const auto* notice = std::get_if<StartNotice>(&event); notice != nullptr && !as_json_) {
        print(stderr, notice->text);
    } else if (const auto* error = std::get_if<ErrorOutput>(&event); error != nullptr && !as_json_) {
        for (const auto& line : error->error.traceback) {
            print(stderr, (colours_ ? line : without_colours(line)) + "\n");
        }
    }
}

void RunReport::take(const Outcome& outcome) {
    status_ = outcome.status;
    failure_ = outcome.error;
    left_with_ = status_ == CellStatus::error && failure_ ? exit_status_in(*failure_) : std::nullopt;
    if (failure_ && !colours_) {
        for (auto& line : failure_->traceback) {
            line = without_colours(line);
        }
    }
    for (auto& file : kept_files(outcome)) {
        files_.push_back(std::move(file));
    }
    for (auto& file : files_not_kept(outcome)) {
        not_kept_.push_back(std::move(file));
    }
    if (!as_json_) {
        print(stderr, files_note(outcome));
    }
    usage_.wall_seconds += outcome.usage.wall_seconds;
    usage_.cpu_seconds += outcome.usage.cpu_seconds;
    usage_.peak_memory_bytes = std::max(usage_.peak_memory_bytes, outcome.usage.peak_memory_bytes);
}

int RunReport::finish() {
    Ending ending = ending_of(status_);
    if (left_with_) {
        ending = *left_with_ == 0 ? ending_of(CellStatus::ok) : Ending{ending.word, *left_with_};
        failure_ = *left_with_ == 0 ? std::nullopt : failure_;
    }
    if (as_json_) {
        json error = nullptr;
        if (failure_) {
            error = {
                {"ename", failure_->ename}, {"evalue", failure_->evalue}, {"traceback", failure_->traceback}};
        }
        const json report = {{"status", ending.word},
                             {"stdout", stdout_},
                             {"stderr", stderr_},
                             {"results", results_},
                             {"error", error},
                             {"files", files_},
                             {"files_not_kept", not_kept_},
                             {"usage",
                              {{"wall_seconds", usage_.wall_seconds},
                               {"cpu_seconds", usage_.cpu_seconds},
                               {"peak_memory_bytes", usage_.peak_memory_bytes}}}};
        print(stdout, report.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
    }
    return ending.exit_status;
}

}  // namespace cellblock::kernel
