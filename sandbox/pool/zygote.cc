// A zygote's process.
#include "sandbox/pool/zygote.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>

#include "sandbox/base/bytes.h"
#include "sandbox/base/files.h"
#include "sandbox/base/json_text.h"
#include "sandbox/base/machine.h"
#include "sandbox/base/process.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/error_messages.h"
#include "sandbox/jail/path_chain.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/pool/sandbox_memory.h"

namespace cellblock::sandbox::pool {

namespace {

using nlohmann::json;

constexpr std::chrono::seconds kTimeToStart{60};
constexpr std::chrono::seconds kGoodTime{10};
constexpr std::chrono::seconds kFirstPause{60};  // before another attempt; it doubles
constexpr std::chrono::seconds kLongestPause{3600};
constexpr std::chrono::seconds kFirstWait{4};  // before another successor; it doubles
constexpr std::chrono::seconds kLongestWait{600};
constexpr std::size_t kMaxStamps = 512;
constexpr std::size_t kMaxReason = 1000;
constexpr JsonBounds kBounds{4, 4096};
constexpr const char* kUnreadable = "it sent what can't be read";
// For the imports: a quarter of the machine's, within these bounds.
constexpr std::uint64_t kLeastMemory = 1ULL << 30;
constexpr std::uint64_t kMostMemory = 4ULL << 30;
constexpr std::size_t kMostOutput = 64U << 10;  // of the zygote's that gets to the log
// So that the command line, which cells can read, is the same for each zygote.
constexpr const char* kBoot =
    "exec(compile(open('/opt/cellblock/python/zygote/main.py').read(), "
    "'/opt/cellblock/python/zygote/main.py', 'exec'))";

std::uint64_t memory_for_imports() {
    return std::clamp(machine_memory().total / 4, kLeastMemory, kMostMemory);
}

std::string task_text(const ZygoteSpec& spec, const std::vector<std::string>& names) {
    const json task{{"worker", jail::kPythonInside},
                    {"library", jail::kLibraryInside},
                    {"prefixes", spec.prefixes},
                    {"preload", spec.preload},
                    {"learned", names},
                    {"directory", jail::kWorkInside}};
    return task.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Of what the imports don't tell: the program and our own files. (Not their folders: who compiles them, as
// `cellblock install` does, changes these.)
std::vector<std::string> files_of(const ZygoteSpec& spec) {
    std::vector<std::string> files{spec.program, spec.library};
    for (const char* folder : {"", "/cellblock_worker", "/zygote"}) {
        std::error_code failed;
        for (std::filesystem::directory_iterator one(spec.worker + folder, failed), end;
             !failed && one != end; one.increment(failed)) {
            if (one->path().extension() == ".py") {
                files.push_back(one->path().string());
            }
        }
    }
    return files;
}

const char* name_of(Zygote::State state) {
    switch (state) {
        case Zygote::State::starting:
            return "starting";
        case Zygote::State::ready:
            return "ready";
        case Zygote::State::refused:
            return "refused";
        case Zygote::State::dead:
            break;
    }
    return "gone";
}

}  // namespace

Result<Zygote> Zygote::start(ZygoteSpec spec, std::vector<std::string> names) {
    Zygote zygote;
    zygote.names_ = std::move(names);
    CELLBLOCK_ASSIGN_OR_RETURN(auto python, jail::find_python(spec.program));
    CELLBLOCK_ASSIGN_OR_RETURN(auto warden, warden_program());
    for (auto& file : files_of(spec)) {
        std::string stamp = file_stamp(file);
        zygote.stamps_.push_back({std::move(file), std::move(stamp)});
    }
    zygote.block_ = jail::choose_block();
    CELLBLOCK_ASSIGN_OR_RETURN(
        zygote.plan_, jail::build_zygote_plan({spec.library, kBoot, spec.environment, zygote.block_}, python,
                                              {spec.worker, warden}));
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, make_socket_pair(SOCK_SEQPACKET, "start a Python to keep warm"));
    zygote.socket_ = std::move(sockets.ours);
    CELLBLOCK_ASSIGN_OR_RETURN(zygote.keeper_,
                               jail::start_keeper(*zygote.plan_, sockets.theirs.get(), memory_for_imports()));
    zygote.key_ = key_of(spec);
    zygote.spec_ = std::move(spec);
    zygote.started_ = zygote.used_ = Clock::now();
    CELLBLOCK_RETURN_IF_ERROR(send_message(zygote.socket_.get(), task_text(zygote.spec_, zygote.names_)));
    return zygote;
}

Zygote::~Zygote() {
    end(State::dead, {});
}

// Its keeper sees that we have let go.
void Zygote::end(State state, std::string reason) {
    if (!importing_.empty()) {
        unfit_[std::exchange(importing_, {})] = reason;
    }
    state_ = state;
    reason_ = std::move(reason);
    socket_.reset();
    keeper_ = {};
    pid_ = -1;
    stamps_.clear();
    ended_ = Clock::now();
}

bool Zygote::is_late() const {
    return state_ == State::starting && Clock::now() - started_ > kTimeToStart;
}

bool Zygote::was_good() const {
    const auto until = ended_ != Clock::time_point() ? ended_ : Clock::now();
    return ready_ != Clock::time_point() && until - ready_ > kGoodTime;
}

ZygoteEvent Zygote::receive() {
    auto message = receive_message(socket_.get(), std::chrono::milliseconds(0));
    if (!message) {
        const std::string reason = jail::keepers_reason(keeper_, *plan_);
        end(reason.empty() ? State::dead : State::refused, reason.empty() ? "it ended" : reason);
        return {};
    }
    if (message->bytes.front() != '{') {
        return hear_of_fork(*message);
    }
    hear(message->bytes);
    return {};
}

// 'y', number, process id; 'n', number, reason; 'd', process id, wait status. A zygote answers once for each
// fork that it was asked for: another number would be another zygote's sandbox.
ZygoteEvent Zygote::hear_of_fork(Message& message) {
    ByteReader in(std::string_view(message.bytes).substr(1));
    const char what = message.bytes.front();
    std::uint64_t number = 0;
    std::int32_t process = 0;
    std::int32_t status = 0;
    if (what == 'd') {
        in.read(process), in.read(status);
        const auto known = supervisors_.find(process);
        if (!in.failed() && in.at_end() && known != supervisors_.end()) {
            const ForkEnded ended{known->second, status};
            supervisors_.erase(known);
            return ended;
        }
    } else if (what == 'n' || what == 'y') {
        in.read(number);
        const bool was_asked = !in.failed() && asked_.erase(number) == 1;
        if (was_asked && what == 'n') {
            return NotForked{number, printable(message.bytes.substr(1 + sizeof number, kMaxReason))};
        }
        in.read(process);
        if (was_asked && !in.failed() && in.at_end() && message.descriptors.size() == 1) {
            UniqueFd handle = std::move(message.descriptors.front());
            const pid_t supervisor = process_of(handle.get());
            supervisors_[process] = supervisor;
            return supervisor > 0 ? ZygoteEvent(Forked{number, supervisor, std::move(handle)})
                                  : ZygoteEvent(NotForked{number, "it ended at once"});
        }
    }
    end(State::dead, kUnreadable);
    return {};
}

// Nothing else is looked at for a zygote's word.
bool Zygote::is_shown(const std::string& path) const {
    return path.find("/../") == std::string::npos &&
           (jail::is_inside(path, "/usr") || jail::is_inside(path, "/lib") ||
            std::any_of(spec_.prefixes.begin(), spec_.prefixes.end(),
                        [&](const std::string& prefix) { return jail::is_inside(path, prefix); }));
}

std::string Zygote::read_output() {
    std::string text(kMostOutput - written_, '\0');
    const ssize_t size = ::read(output(), text.data(), text.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return {};
    }
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    written_ += text.size();
    if (text.empty() || written_ >= kMostOutput) {
        keeper_.output.reset();
    }
    return printable(text);
}

// Only of what it was told to import.
void Zygote::hear_of_import(const json& name) {
    importing_.clear();
    if (name.is_string() &&
        std::find(names_.begin(), names_.end(), name.get_ref<const std::string&>()) != names_.end()) {
        importing_ = name.get<std::string>();
    }
}

void Zygote::hear_of_unfit(const json& reasons) {
    for (const auto& name : names_) {
        if (reasons.is_object() && reasons.contains(name) && reasons[name].is_string()) {
            unfit_[name] = printable(reasons[name].get<std::string>().substr(0, kMaxReason));
        }
    }
}

void Zygote::hear(const std::string& text) {
    const auto read = parse_json_object(text, kBounds);
    if (!read || state_ != State::starting) {
        return end(State::dead, kUnreadable);
    }
    const json& told = *read;
    if (told.contains("importing")) {
        return hear_of_import(told["importing"]);
    }
    if (told.contains("refused") && told["refused"].is_string()) {
        return end(State::refused, printable(told["refused"].get<std::string>().substr(0, kMaxReason)));
    }
    if (!told.contains("ready") || !told["ready"].is_array() || told["ready"].size() > kMaxStamps) {
        return end(State::dead, kUnreadable);
    }
    for (const auto& one : told["ready"]) {
        if (!one.is_array() || one.size() != 2 || !one[0].is_string() || !one[1].is_string()) {
            return end(State::dead, kUnreadable);
        }
        if (auto path = one[0].get<std::string>(); is_shown(path)) {
            stamps_.push_back({std::move(path), one[1].get<std::string>()});
        }
    }
    importing_.clear();
    hear_of_unfit(told.value("unfit", json::object()));
    const UniqueFd python = jail::keepers_python(keeper_);
    pid_ = process_of(python.get());
    jail::end_of_imports(keeper_);
    state_ = State::ready;
    ready_ = Clock::now();
}

std::string Zygote::changed_file() const {
    const auto found = std::find_if(stamps_.begin(), stamps_.end(),
                                    [](const Stamp& stamp) { return file_stamp(stamp.path) != stamp.value; });
    return found == stamps_.end() ? std::string() : found->path;
}

bool Zygote::fork(std::uint64_t number, const std::vector<UniqueFd>& theirs) {
    ByteWriter out;
    out.add(number);
    std::vector<int> numbers(theirs.size());
    std::transform(theirs.begin(), theirs.end(), numbers.begin(),
                   [](const UniqueFd& fd) { return fd.get(); });
    if (!send_message(socket_.get(), "c" + out.take(), numbers)) {
        return false;
    }
    asked_.insert(number);
    ++forks_;
    used_ = Clock::now();
    return true;
}

void Zygote::note_successor() {
    auto wait = kFirstWait;
    for (int i = 0; i < successors_ && wait < kLongestWait; ++i) {
        wait *= 2;
    }
    ++successors_;
    next_successor_ = Clock::now() + std::min(wait, kLongestWait);
}

// The first end of one that was up is taken for an accident.
std::chrono::seconds pause_after(int failures, bool was_up) {
    auto pause = kFirstPause;
    for (int i = was_up ? 2 : 1; i < failures && pause < kLongestPause; ++i) {
        pause *= 2;
    }
    return was_up && failures <= 1 ? std::chrono::seconds{0} : std::min(pause, kLongestPause);
}

Zygote::Clock::time_point Zygote::next_attempt() const {
    return ended_ + pause_after(failures_ + 1, ready_ != Clock::time_point());
}

std::string Zygote::in_words() const {
    return "warm Python " + std::to_string(pid_) + ", " + spec_.program + ": " + name_of(state_) +
           (reason_.empty() ? "" : ": " + reason_);
}

Zygote::Figures Zygote::figures() const {
    std::vector<std::string> preload = spec_.preload;
    std::copy_if(names_.begin(), names_.end(), std::back_inserter(preload),
                 [&](const std::string& name) { return !unfit_.contains(name); });
    Figures figures{spec_.program, std::move(preload), name_of(state_), reason_, pid_, 0, forks_, 0, 0, 0};
    if (state_ == State::ready) {
        figures.start_seconds = std::chrono::duration<double>(ready_ - started_).count();
        figures.memory_bytes = resident_memory(pid_);
    }
    if (state_ == State::refused || state_ == State::dead) {
        figures.failures = failures_ + 1;
        figures.retry_seconds =
            std::max(0.0, std::chrono::duration<double>(next_attempt() - Clock::now()).count());
    }
    return figures;
}

}  // namespace cellblock::sandbox::pool
