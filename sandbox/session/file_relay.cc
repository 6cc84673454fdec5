// Requests for files, and their answers.
#include "sandbox/session/file_relay.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMostPath = 4095;  // PATH_MAX, with its NUL
constexpr std::size_t kMostStep = 300;   // of a request in words, for its errors

std::string step_of(const FileRequest& request) {
    struct Words {
        std::string operator()(const ReadFile& one) const { return "read " + one.path; }
        std::string operator()(const WriteFile& one) const { return "write " + one.path; }
        std::string operator()(const ListFolder& one) const { return "list " + one.path; }
        std::string operator()(const MakeFolder& one) const { return "make " + one.path; }
        std::string operator()(const MoveFile& one) const { return "move " + one.path + " to " + one.to; }
        std::string operator()(const RemoveFile& one) const { return "remove " + one.path; }
    };
    return std::visit(Words{}, request);
}

bool is_path(const std::string& path) {
    return !path.empty() && path.size() <= kMostPath && path.find('\0') == std::string::npos && is_utf8(path);
}

std::string fault_of(const FileRequest& request) {
    const bool paths = std::visit([](const auto& one) { return is_path(one.path); }, request);
    const auto* move = std::get_if<MoveFile>(&request);
    const auto* write = std::get_if<WriteFile>(&request);
    if (!paths || (move != nullptr && !is_path(move->to))) {
        return "a path has 1 to 4095 bytes of UTF-8 without NUL";
    }
    if (write != nullptr && write->bytes.size() > kMostFileBytes) {
        return "a request writes 16 MiB at most: write the file in pieces, by `offset`";
    }
    return {};
}

std::string remedy_for(int error) {
    switch (error) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return "The policy's key limits.disk bounds what a sandbox may write";
        case ENOMEM:
            return "The policy's key limits.memory bounds the sandbox's memory";
        default:
            return {};
    }
}

}  // namespace

void FileRelay::begin(FileId id, FileRequest request) {
    Pending pending;
    pending.id = id;
    pending.step = printable(utf8_prefix(step_of(request), kMostStep));
    std::string fault = fault_of(request);
    if (auto* write = std::get_if<WriteFile>(&request); write != nullptr) {
        pending.bytes = write->bytes.size();
        pending.written = write->path;
    }
    if (fault.empty() && (pending_.size() >= kMostPending || bytes_ + pending.bytes > kMostBytes)) {
        fault = "too many requests are waiting: 64, or 128 MiB, at a time";
    }
    if (!fault.empty()) {
        FileReply refused{id};
        refused.error = Error{pending.step, 0, fault, {}};
        events_.emplace_back(std::move(refused));
        return;
    }
    if (!pending.written.empty()) {
        keeper_.begin_given(pending.written);
    }
    pending.frame = encode_file_request(id, std::move(request));
    bytes_ += pending.bytes;
    pending_.push_back(std::move(pending));
}

void FileRelay::set_deadline(TimePoint now) {
    const bool waits = !pending_.empty() && pending_.front().sent;
    deadline_ = waits ? std::optional(now + kTime) : std::nullopt;
}

void FileRelay::advance(TimePoint now) {
    if (deadline_ && now >= *deadline_) {
        host_.drop_files();
        fail_sent("no answer came within 30 s");
    }
    const auto waits = [](const Pending& one) { return !one.sent; };
    while (host_.ready()) {
        const auto next = std::find_if(pending_.begin(), pending_.end(), waits);
        if (next == pending_.end()) {
            return;
        }
        const bool is_first = next == pending_.begin();
        next->sent = true;
        if (const auto sent = host_.send_to_files(std::exchange(next->frame, {})); !sent) {
            host_.drop_files();
            fail_sent(sent.error().text());
        } else if (is_first) {
            set_deadline(now);
        }
    }
}

Status FileRelay::take(FileMessage message, TimePoint now) {
    if (std::holds_alternative<FilesGone>(message)) {
        fail_sent(
            "the process that serves files ended: it was killed with a cell or by one, or limits.processes "
            "or limits.memory leaves no room for it. Try again");
        return Ok{};
    }
    auto& answered = std::get<FileAnswer>(message);
    if (pending_.empty() || !pending_.front().sent || pending_.front().id != answered.reply.request) {
        return Error{"frame", 0, "a reply about files that nobody asked for", {}};
    }
    const Pending& asked = pending_.front();
    if (answered.error != 0) {
        answered.reply.error = Error{asked.step, answered.error, {}, remedy_for(answered.error)};
    }
    answer(std::move(answered.reply));
    set_deadline(now);
    return Ok{};
}

// To the first that waits.
void FileRelay::answer(FileReply reply) {
    const Pending& asked = pending_.front();
    if (!asked.written.empty()) {
        keeper_.end_given(asked.written, reply.error ? 0 : reply.size_bytes, reply.modified);
    }
    bytes_ -= asked.bytes;
    events_.emplace_back(std::move(reply));
    pending_.pop_front();
}

void FileRelay::fail_first(Error error) {
    FileReply reply{pending_.front().id};
    reply.error = std::move(error);
    answer(std::move(reply));
}

void FileRelay::fail_sent(const std::string& reason) {
    while (!pending_.empty() && pending_.front().sent) {
        fail_first(Error{pending_.front().step, 0, reason, {}});
    }
    deadline_.reset();
}

void FileRelay::fail_all(const std::string& reason) {
    while (!pending_.empty()) {
        fail_first(Error{pending_.front().step, 0, reason, {}});
    }
    deadline_.reset();
}

}  // namespace cellblock::sandbox
