#include "kernel/mcp/tool_session.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "kernel/jupyter/message_text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

// Types that a language model reads, the best one first.
constexpr std::string_view kTexts[] = {"text/markdown", "text/latex", "text/plain", "text/html"};
constexpr std::string_view kPictures[] = {"image/png", "image/jpeg", "image/webp", "image/gif"};

const MimeItem* find(const DisplayOutput& output, std::string_view type) {
    const auto found = std::find_if(output.data.begin(), output.data.end(),
                                    [&](const MimeItem& item) { return item.type == type; });
    return found == output.data.end() ? nullptr : &*found;
}

void add_line(std::string& text, const std::string& line) {
    if (!text.empty() && text.back() != '\n') {
        text += '\n';
    }
    text += line;
}

// The last line of a text that isn't empty; of a long one its end.
std::string last_line(std::string_view text) {
    constexpr std::size_t kMost = 200;
    text = text.substr(0, text.find_last_not_of(" \r\n") + 1);
    text.remove_prefix(text.size() - std::min(text.size(), kMost));
    text.remove_prefix(text.find_last_of("\r\n") + 1);  // npos + 1 is 0
    while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xc0) == 0x80) {
        text.remove_prefix(1);  // the rest of a character
    }
    return std::string(text);
}

}  // namespace

json image_content(const std::string& mime, const std::string& bytes) {
    return {{"type", "image"}, {"data", base64(bytes)}, {"mimeType", mime}};
}

ToolSession::ToolSession(const Policy& policy, const std::string& directory)
    : session_(policy, make_engine(policy), StartOptions{directory}) {}

void ToolSession::execute(const std::string& key, ExecuteRequest request, ToolAnswer answer,
                          ToolProgress progress) {
    last_used_ = Clock::now();
    if (calls_.size() >= kMostWaiting) {
        return answer({"too many calls wait for this session; nothing was run", {}, true});
    }
    calls_.push_back({key, std::move(request), std::move(answer), std::move(progress)});
    begin_next();
}

void ToolSession::file(FileRequest request, FileAnswer answer) {
    last_used_ = Clock::now();
    files_.emplace(session_.file(std::move(request)), std::move(answer));
}

void ToolSession::end(const std::string& reason) {
    for (auto& call : std::exchange(calls_, {})) {
        if (!call.cancelled) {
            call.answer({reason, {}, true});
        }
    }
    for (auto& [id, answer] : std::exchange(files_, {})) {
        FileReply reply{id};
        reply.error = Error{{}, 0, reason, {}};
        answer(reply);
    }
}

bool ToolSession::cancel(const std::string& key) {
    const auto found =
        std::find_if(calls_.begin(), calls_.end(), [&](const Call& call) { return call.key == key; });
    if (found == calls_.end()) {
        return false;
    }
    if (found == calls_.begin() && runs_) {
        found->cancelled = true;
        session_.interrupt();
    } else {
        calls_.erase(found);
    }
    return true;
}

void ToolSession::advance() {
    session_.advance([this](Event event) { take(std::move(event)); });
    begin_next();
    tell_progress();
}

std::optional<TimePoint> ToolSession::Call::progress_due() const {
    return progress && !cancelled ? std::optional(came + std::chrono::seconds(seconds_told + 1))
                                  : std::nullopt;
}

std::optional<TimePoint> ToolSession::next_deadline() const {
    auto next = session_.next_deadline();
    for (const Call& call : calls_) {
        if (const auto due = call.progress_due(); due && (!next || *due < *next)) {
            next = due;
        }
    }
    return next;
}

void ToolSession::tell_progress() {
    const auto now = Clock::now();
    for (std::size_t i = 0; i < calls_.size(); ++i) {
        Call& call = calls_[i];
        if (const auto due = call.progress_due(); due && *due <= now) {
            const std::string line = last_line(gathered_.text);
            const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - call.came);
            call.seconds_told = static_cast<int>(seconds.count());
            call.progress(call.seconds_told, i > 0 ? "waits for another call" : line.empty() ? "runs" : line);
        }
    }
}

void ToolSession::begin_next() {
    if (runs_ || calls_.empty() || session_.busy()) {
        return;
    }
    runs_ = true;
    gathered_ = {};
    ExecuteRequest request = std::exchange(calls_.front().request, {});
    request.count = ++count_;
    session_.execute(std::move(request));
}

void ToolSession::take(Event event) {
    if (const auto* stream = std::get_if<StreamOutput>(&event)) {
        gathered_.text += without_colours(stream->text);
    } else if (const auto* display = std::get_if<DisplayOutput>(&event)) {
        on(*display);
    } else if (auto* reply = std::get_if<FileReply>(&event)) {
        if (auto known = files_.extract(reply->request)) {
            known.mapped()(*reply);
        }
    } else if (const auto* done = std::get_if<CellDone>(&event); done != nullptr && runs_) {
        on(done->outcome);
    }
}

void ToolSession::on(const DisplayOutput& output) {
    for (const auto type : kPictures) {
        const MimeItem* const item = find(output, type);
        if (item != nullptr && std::holds_alternative<Bytes>(item->value)) {
            gathered_.more.push_back(image_content(std::string(type), std::get<Bytes>(item->value).value));
            return;
        }
    }
    for (const auto type : kTexts) {
        const MimeItem* const item = find(output, type);
        if (item != nullptr && std::holds_alternative<std::string>(item->value)) {
            return add_line(gathered_.text, without_colours(std::get<std::string>(item->value)) + "\n");
        }
    }
}

void ToolSession::on(const Outcome& outcome) {
    if (outcome.error) {
        gathered_.is_error = true;
        std::string trace;
        for (const auto& line : outcome.error->traceback) {
            trace += without_colours(line) + "\n";
        }
        add_line(gathered_.text,
                 trace.empty() ? outcome.error->ename + ": " + outcome.error->evalue + "\n" : trace);
    }
    if (const std::string note = files_note(outcome); !note.empty()) {
        add_line(gathered_.text, note);
    }
    runs_ = false;
    last_used_ = Clock::now();
    Call call = std::move(calls_.front());
    calls_.pop_front();
    if (!call.cancelled) {
        call.answer(std::exchange(gathered_, {}));
    }
}

}  // namespace cellblock::kernel
