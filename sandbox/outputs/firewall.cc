// What may leave: counted, cut, made inert.
#include "sandbox/outputs/firewall.h"

#include <algorithm>

#include "sandbox/base/utf8.h"
#include "sandbox/channel/json_text.h"

namespace cellblock::sandbox {

namespace {

// What a message costs beside its text, so that a flood of empty ones ends too.
constexpr std::uint64_t kMessageCost = 64;
constexpr std::size_t kAccounts = 1024;

constexpr std::size_t kNameBytes = 256;
constexpr std::size_t kValueBytes = 64U << 10;
constexpr std::size_t kTracebackLines = 1000;
constexpr std::size_t kTracebackBytes = 512U << 10;
constexpr std::size_t kPromptBytes = 4096;

std::uint64_t size_of(const MimeItem& item) {
    struct Size {
        std::uint64_t operator()(const std::string& text) const { return text.size(); }
        std::uint64_t operator()(const Bytes& bytes) const { return bytes.value.size(); }
        std::uint64_t operator()(const RawJson& raw) const { return raw.text.size(); }
    };
    return item.type.size() + std::visit(Size{}, item.value);
}

std::uint64_t size_of(const std::vector<std::string>& buffers) {
    std::uint64_t total = 0;
    for (const auto& buffer : buffers) {
        total += buffer.size();
    }
    return total;
}

std::uint64_t cost_of(const DisplayOutput& event) {
    std::uint64_t cost = kMessageCost + event.metadata.text.size() + size_of(event.buffers);
    for (const auto& item : event.data) {
        cost += size_of(item);
    }
    return cost;
}

std::uint64_t cost_of(const CommOutput& event) {
    return kMessageCost + event.comm_id.size() + event.data.text.size() + event.metadata.text.size() +
           size_of(event.buffers);
}

void shorten(std::string& text, std::size_t max) {
    if (text.size() > max) {
        text = std::string(utf8_prefix(text, max)) + " […]";
    }
}

}  // namespace

OutputFirewall::OutputFirewall(const Policy& policy)
    : limit_(policy.limits.output_bytes),
      policy_name_(policy.name),
      bundles_(policy.outputs),
      comms_(policy.outputs),
      note_("\ncellblock: this cell's output was cut at " + format_size(policy.limits.output_bytes) +
            " (policy \"" + policy.name + "\", key limits.output)\n"),
      end_note_("cellblock: this cell's output is incomplete: it was cut at " +
                format_size(policy.limits.output_bytes) + " (policy \"" + policy.name +
                "\", key limits.output)\n") {}

// Cells whose accounts are gone have one together: what was forgotten isn't given anew.
OutputFirewall::Account& OutputFirewall::account(CellId cell) {
    if (newest_old_ && cell <= *newest_old_) {
        return old_;
    }
    Account& found = accounts_[cell];
    if (accounts_.size() <= kAccounts) {
        return found;
    }
    newest_old_ = accounts_.begin()->first;
    accounts_.erase(accounts_.begin());
    return cell == *newest_old_ ? old_ : found;
}

std::uint64_t OutputFirewall::output_bytes(CellId cell) const {
    const auto found = accounts_.find(cell);
    return found == accounts_.end() ? 0 : found->second.bytes;
}

bool OutputFirewall::was_cut(CellId cell) const {
    const auto found = accounts_.find(cell);
    return found != accounts_.end() && found->second.cut;
}

bool OutputFirewall::spend(CellId cell, std::uint64_t cost, std::vector<Event>& notes) {
    Account& spent = account(cell);
    if (!spent.cut && spent.bytes + cost <= limit_) {
        spent.bytes += cost;
        return true;
    }
    if (!spent.cut) {
        spent.cut = true;
        notes.emplace_back(StreamOutput{cell, StreamName::standard_error, note_});
    }
    return false;
}

std::vector<Event> OutputFirewall::admit(StreamOutput event) {
    const Account& spent = account(event.cell);
    const std::uint64_t left = limit_ - std::min(limit_, spent.bytes + kMessageCost);
    const std::uint64_t cost = kMessageCost + event.text.size();
    std::vector<Event> notes;
    const bool was_cut = spent.cut;
    Account& cell = account(event.cell);
    TerminalTextFilter& filter = event.name == StreamName::standard_output ? cell.output : cell.errors;
    if (spend(event.cell, cost, notes)) {
        event.text = filter.filter(std::move(event.text));
        if (!event.text.empty()) {
            notes.emplace_back(std::move(event));
        }
        return notes;
    }
    if (!was_cut) {
        cell.bytes = limit_;
        event.text = filter.filter(std::string(utf8_prefix(event.text, left)));
        if (!event.text.empty()) {
            notes.insert(notes.begin(), std::move(event));
        }
    }
    return notes;
}

// Counted as it came, before any work is done on it, and again for what it has grown by.
std::vector<Event> OutputFirewall::admit(DisplayOutput event) {
    const std::uint64_t cost = cost_of(event);
    const CellId cell = event.cell;
    std::vector<Event> events;
    if (!spend(cell, cost, events)) {
        return events;
    }
    const bool had_some = !event.data.empty();
    const auto left_out = bundles_.admit(event.data);
    comms_.leave_out_views(event.data);
    if (event.data.empty() && had_some && left_out.empty()) {
        event.data.push_back({"text/plain", "[widget: not shown]"});
    }
    if (event.data.empty() && !left_out.empty()) {
        event.data.push_back({"text/plain", "[" + terminal_text(left_out.front().type) + ": not shown]"});
    }
    event.metadata = inert_metadata(event.metadata);
    if (const std::uint64_t grown = cost_of(event); grown <= cost || spend(cell, grown - cost, events)) {
        events.emplace_back(std::move(event));
    }
    if (const LeftOut* what = most_telling(left_out); what != nullptr) {
        note_once(cell, notice(*what, policy_name_), events);
    }
    return events;
}

void OutputFirewall::note_once(CellId cell, const std::string& what, std::vector<Event>& events) {
    constexpr std::size_t kMostNotes = 8;
    Account& spent = account(cell);
    if (spent.cut || spent.noted.size() >= kMostNotes || !spent.noted.insert(what).second) {
        return;
    }
    const std::string text = "cellblock: " + what + "\n";
    if (spend(cell, text.size() + kMessageCost, events)) {
        events.emplace_back(StreamOutput{cell, StreamName::standard_error, text});
    }
}

std::vector<Event> OutputFirewall::admit(ClearOutput event) {
    std::vector<Event> events;
    if (spend(event.cell, kMessageCost, events)) {
        events.emplace_back(event);
    }
    return events;
}

std::vector<Event> OutputFirewall::admit(CommOutput event) {
    const std::uint64_t cost = cost_of(event);
    const CellId cell = event.cell;
    std::vector<Event> events;
    if (!spend(cell, cost, events)) {
        return events;
    }
    if (!json_within(event.data.text, {})) {
        note_once(cell, "a message of a comm was left out, for it has too many values", events);
        return events;
    }
    if (const auto why = comms_.refuse(event)) {
        if (!why->empty()) {
            note_once(cell, *why + ", by policy \"" + policy_name_ + "\"", events);
        }
        return events;
    }
    if (const std::uint64_t grown = cost_of(event); grown <= cost || spend(cell, grown - cost, events)) {
        events.emplace_back(std::move(event));
    }
    return events;
}

std::optional<std::vector<Event>> OutputFirewall::charge(const ErrorOutput& output) {
    std::uint64_t cost = kMessageCost + output.error.ename.size() + output.error.evalue.size();
    for (const auto& line : output.error.traceback) {
        cost += line.size();
    }
    std::vector<Event> notes;
    return spend(output.cell, cost, notes) ? std::nullopt : std::optional(std::move(notes));
}

void OutputFirewall::tell_cut_again(CellId cell, std::deque<Event>& events) const {
    if (was_cut(cell)) {
        events.emplace_back(StreamOutput{cell, StreamName::standard_error, end_note_});
    }
}

ErrorText OutputFirewall::bound(ErrorText error) {
    shorten(error.ename, 2 * kNameBytes);  // before the work, and, as that may leave less, once more after it
    shorten(error.evalue, 2 * kValueBytes);
    if (error.traceback.size() > kTracebackLines) {
        // The beginning says where it started, the end what it was.
        const auto middle = static_cast<std::ptrdiff_t>(kTracebackLines / 2);
        error.traceback.erase(error.traceback.begin() + middle, error.traceback.end() - middle);
    }
    error.ename = terminal_text(std::move(error.ename));
    error.evalue = terminal_text(std::move(error.evalue));
    for (auto& line : error.traceback) {
        line = terminal_text(std::move(line));
    }
    shorten(error.ename, kNameBytes);
    shorten(error.evalue, kValueBytes);
    std::size_t left = kTracebackBytes;
    for (auto line = error.traceback.rbegin(); line != error.traceback.rend(); ++line) {
        shorten(*line, left);
        left -= std::min(left, line->size());
    }
    return error;
}

std::optional<InputRequest> OutputFirewall::admit(InputRequest request) {
    std::vector<Event> notes;
    if (!spend(request.cell, kMessageCost + request.prompt.size(), notes)) {
        return std::nullopt;
    }
    shorten(request.prompt, 2 * kPromptBytes);
    request.prompt = terminal_text(std::move(request.prompt));
    shorten(request.prompt, kPromptBytes);
    return request;
}

}  // namespace cellblock::sandbox
