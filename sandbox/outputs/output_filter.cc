// Counts outputs, cuts them, and makes them harmless.
#include "sandbox/outputs/output_filter.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "sandbox/base/json_text.h"
#include "sandbox/base/text.h"

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

bool is_json(const MimeItem& item) {
    return std::holds_alternative<RawJson>(item.value);
}

// To be judged in place: text as a terminal's, and pixels by their header.
bool is_plain(const DisplayOutput& event) {
    return event.metadata.text == "{}" &&
           std::all_of(event.data.begin(), event.data.end(), [](const MimeItem& item) {
               return item.type == "text/plain"
                          ? std::holds_alternative<std::string>(item.value)
                          : is_pixels(item.type) && std::holds_alternative<Bytes>(item.value);
           });
}

// What is shown of a bundle that couldn't be judged.
std::vector<MimeItem> fallback_of(const std::vector<MimeItem>& bundle) {
    std::vector<MimeItem> plain;
    std::copy_if(bundle.begin(), bundle.end(), std::back_inserter(plain), [](const MimeItem& item) {
        return item.type == "text/plain" && std::holds_alternative<std::string>(item.value);
    });
    return plain;
}

// Why an answer isn't the two parts of JSON that were given to the cleaner; nullopt: it is.
std::optional<Error> failure_of_pair(const Result<Cleaned>& cleaned) {
    if (!cleaned) {
        return cleaned.error();
    }
    if (cleaned->parts.size() != 2 || !is_json(cleaned->parts[0]) || !is_json(cleaned->parts[1])) {
        return Error{{}, 0, "it could not be made harmless", {}};
    }
    return std::nullopt;
}

Error too_many_failures() {
    return Error{{}, 0, "several outputs of this cell could not be made harmless", {}};
}

void shorten(std::string& text, std::size_t max) {
    if (text.size() > max) {
        text = std::string(utf8_prefix(text, max)) + " […]";
    }
}

}  // namespace

OutputFilter::OutputFilter(const Policy& policy)
    : limit_(policy.limits.output_bytes),
      policy_name_(policy.name),
      plain_(policy.outputs),
      note_("\ncellblock: this cell's output was cut at " + format_size(policy.limits.output_bytes) +
            " (policy \"" + policy.name + "\", key limits.output)\n"),
      end_note_("cellblock: this cell's output is incomplete: it was cut at " +
                format_size(policy.limits.output_bytes) + " (policy \"" + policy.name +
                "\", key limits.output)\n") {}

// Cells whose accounts are gone have one together: what was forgotten isn't given anew.
OutputFilter::Account& OutputFilter::account(CellId cell) {
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

std::uint64_t OutputFilter::output_bytes(CellId cell) const {
    const auto found = accounts_.find(cell);
    return found == accounts_.end() ? 0 : found->second.bytes;
}

bool OutputFilter::was_cut(CellId cell) const {
    const auto found = accounts_.find(cell);
    return found != accounts_.end() && found->second.cut;
}

bool OutputFilter::spend(CellId cell, std::uint64_t cost, std::vector<Event>& notes) {
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

std::vector<Event> OutputFilter::admit(StreamOutput event) {
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

// Counted as it came, before any work is done on it, and again, in finish(), for what it has grown by.
OutputFilter::Begun OutputFilter::begin(DisplayOutput& event) {
    Begun begun;
    begun.cost = cost_of(event);
    if (!spend(event.cell, begun.cost, begun.events)) {
        return begun;
    }
    if (is_plain(event)) {
        std::vector<LeftOut> left_out = plain_.admit(event.data);
        Cleaned cleaned{std::move(event.data), std::move(left_out), {}, {}};
        cleaned.parts.push_back({"metadata", RawJson{}});
        begun.events = finish(std::move(event), begun.cost, std::move(cleaned));
        return begun;
    }
    if (has_failed_often(event.cell)) {
        begun.events = finish(std::move(event), begun.cost, too_many_failures());
        return begun;
    }
    begun.task.emplace();
    begun.task->parts = std::move(event.data);
    event.data = fallback_of(begun.task->parts);
    begun.task->parts.push_back({"metadata", std::move(event.metadata)});
    event.metadata = {};
    return begun;
}

std::vector<Event> OutputFilter::finish(DisplayOutput event, std::uint64_t cost, Result<Cleaned> cleaned) {
    std::vector<Event> events;
    const CellId cell = event.cell;
    if (!cleaned || cleaned->parts.empty() || !is_json(cleaned->parts.back())) {
        const Error error = cleaned ? Error{{}, 0, "it could not be made harmless", {}} : cleaned.error();
        event.metadata = {};
        std::erase_if(event.data, [](const MimeItem& item) { return item.type != "text/plain"; });
        if (plain_.admit(event.data); event.data.empty()) {
            event.data.push_back({"text/plain", "[cellblock: left out: " + error.message + "]"});
        }
        events.emplace_back(std::move(event));
        note_failure(cell, error, events);
        return events;
    }
    note_lost_comms(cell, events);
    event.metadata = std::move(std::get<RawJson>(cleaned->parts.back().value));
    cleaned->parts.pop_back();
    event.data = std::move(cleaned->parts);
    // A cleaner that was taken over shows no type that the policy doesn't list.
    std::erase_if(event.data, [this](const MimeItem& item) {
        return item.type != "text/plain" && !plain_.allows(item.type);
    });
    const auto& left_out = cleaned->left_out;
    if (event.data.empty() && !left_out.empty()) {
        event.data.push_back({"text/plain", "[" + terminal_text(left_out.front().type) + ": not shown]"});
    }
    if (const std::uint64_t grown = cost_of(event); grown <= cost || spend(cell, grown - cost, events)) {
        events.emplace_back(std::move(event));
    }
    if (const LeftOut* what = most_telling(left_out); what != nullptr) {
        note_once(cell, notice(*what, policy_name_), events);
    }
    return events;
}

bool OutputFilter::has_failed_often(CellId cell) {
    constexpr int kMostFailures = 3;
    return account(cell).failures >= kMostFailures;
}

void OutputFilter::note_failure(CellId cell, const Error& error, std::vector<Event>& events) {
    ++account(cell).failures;
    note_once(cell,
              "an output was left out: " + error.message +
                  (error.step.empty() || error.remedy.empty() ? "" : ". " + error.remedy),
              events);
    note_lost_comms(cell, events);
}

void OutputFilter::comms_are_lost() {
    comms_are_lost_ = comms_are_lost_ || comms_are_open_;
    comms_are_open_ = false;
}

void OutputFilter::forget_comms() {
    comms_are_lost_ = false;
    comms_are_open_ = false;
}

void OutputFilter::note_lost_comms(CellId cell, std::vector<Event>& events) {
    if (std::exchange(comms_are_lost_, false)) {
        note_once(
            cell,
            "the program that makes outputs harmless had to be started anew: widgets that were shown before "
            "don't answer any more. Run their cells again",
            events);
    }
}

void OutputFilter::note_once(CellId cell, const std::string& what, std::vector<Event>& events) {
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

std::vector<Event> OutputFilter::admit(ClearOutput event) {
    std::vector<Event> events;
    if (spend(event.cell, kMessageCost, events)) {
        events.emplace_back(event);
    }
    return events;
}

OutputFilter::Begun OutputFilter::begin(CommOutput& event) {
    using Kind = CleaningTask::Kind;
    Begun begun;
    begun.cost = cost_of(event);
    if (!spend(event.cell, begun.cost, begun.events)) {
        return begun;
    }
    if (!json_within(event.data.text, {})) {
        note_once(event.cell, "a message of a comm was left out, for it has too many values", begun.events);
        return begun;
    }
    if (has_failed_often(event.cell)) {
        begun.events = finish(std::move(event), begun.cost, too_many_failures());
        return begun;
    }
    begun.task.emplace();
    begun.task->kind = event.kind == CommKind::open    ? Kind::comm_open
                       : event.kind == CommKind::close ? Kind::comm_close
                                                       : Kind::comm_message;
    begun.task->name = event.comm_id;
    begun.task->target = event.target_name;
    begun.task->parts.push_back({"data", std::move(event.data)});
    begun.task->parts.push_back({"metadata", std::move(event.metadata)});
    return begun;
}

std::vector<Event> OutputFilter::finish(CommOutput event, std::uint64_t cost, Result<Cleaned> cleaned) {
    std::vector<Event> events;
    const CellId cell = event.cell;
    if (const auto failure = failure_of_pair(cleaned)) {
        note_failure(cell, *failure, events);
        return events;
    }
    note_lost_comms(cell, events);
    if (cleaned->refusal) {
        if (!cleaned->refusal->empty()) {
            note_once(cell, terminal_text(*cleaned->refusal) + ", by policy \"" + policy_name_ + "\"",
                      events);
        }
        return events;
    }
    event.target_module.reset();  // a module of JavaScript that the front end would load
    event.data = std::move(std::get<RawJson>(cleaned->parts[0].value));
    event.metadata = std::move(std::get<RawJson>(cleaned->parts[1].value));
    comms_are_open_ = comms_are_open_ || event.kind == CommKind::open;
    if (const std::uint64_t grown = cost_of(event); grown <= cost || spend(cell, grown - cost, events)) {
        events.emplace_back(std::move(event));
    }
    return events;
}

OutputFilter::Begun OutputFilter::begin(CellId cell, RawJson& user_expressions, RawJson& payload) {
    Begun begun;
    if (user_expressions.text == "{}" && payload.text == "[]") {
        return begun;
    }
    begun.cost = user_expressions.text.size() + payload.text.size();
    if (!spend(cell, begun.cost, begun.events)) {
        user_expressions = {};
        payload = RawJson{"[]"};
        return begun;
    }
    if (payload.text == "[]" && plain_.admits_expressions(user_expressions.text)) {
        return begun;
    }
    begun.task.emplace();
    begun.task->kind = CleaningTask::Kind::end;
    begun.task->parts.push_back({"user_expressions", std::move(user_expressions)});
    begun.task->parts.push_back({"payload", std::move(payload)});
    return begun;
}

std::vector<Event> OutputFilter::finish(CellId cell, RawJson& user_expressions, RawJson& payload,
                                        Result<Cleaned> cleaned) {
    std::vector<Event> events;
    user_expressions = {};
    payload = RawJson{"[]"};
    if (const auto failure = failure_of_pair(cleaned)) {
        note_failure(cell, *failure, events);
        return events;
    }
    note_lost_comms(cell, events);
    user_expressions = std::move(std::get<RawJson>(cleaned->parts[0].value));
    payload = std::move(std::get<RawJson>(cleaned->parts[1].value));
    return events;
}

std::optional<std::vector<Event>> OutputFilter::charge(const ErrorOutput& output) {
    std::uint64_t cost = kMessageCost + output.error.ename.size() + output.error.evalue.size();
    for (const auto& line : output.error.traceback) {
        cost += line.size();
    }
    std::vector<Event> notes;
    return spend(output.cell, cost, notes) ? std::nullopt : std::optional(std::move(notes));
}

void OutputFilter::tell_cut_again(CellId cell, std::deque<Event>& events) const {
    if (was_cut(cell)) {
        events.emplace_back(StreamOutput{cell, StreamName::standard_error, end_note_});
    }
}

ErrorText OutputFilter::bound(ErrorText error) {
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

std::optional<InputRequest> OutputFilter::admit(InputRequest request) {
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
