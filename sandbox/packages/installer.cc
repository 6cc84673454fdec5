// One install after another.
#include "sandbox/packages/installer.h"

#include <sys/epoll.h>

#include <algorithm>

#include "sandbox/base/digests.h"
#include "sandbox/packages/builder.h"

namespace cellblock::sandbox {

namespace {

constexpr int kFramesAtOnce = 64;
constexpr int kMostNotes = 500;
constexpr const char* kFormat = "1";  // of what an entry holds; part of its key

Error failed(std::string message) {
    return Error{"install packages", 0, std::move(message), {}};
}

}  // namespace

Installer::Installer(const Policy& policy, const std::string& name, Now now)
    : policy_(policy), now_(std::move(now)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (policy_.packages.allow.empty()) {
        return;
    }
    auto store = PackageStore::open();
    auto folder = store ? PackageFolder::open(*store, name) : Result<PackageFolder>(store.error());
    if (!folder) {
        unusable_ = folder.error().text();
        return;
    }
    store_ = std::move(*store);
    folder_ = std::move(*folder);
}

Installer::~Installer() = default;

std::string Installer::folder() const {
    return folder_ ? folder_->seen() : std::string();
}

void Installer::keep_folder() {
    if (folder_) {
        folder_->keep();
    }
}

std::optional<TimePoint> Installer::next_deadline() const {
    if (refused_) {
        return now_();
    }
    return work_ ? std::optional(work_->deadline) : std::nullopt;
}

void Installer::begin(const InstallRequest& request, const std::string& python) {
    work_ = std::make_unique<Work>();
    work_->deadline = now_() + policy_.packages.time;
    work_->variant = sha256(policy_.python + "\n" + python + "\n" + kFormat).substr(0, 16);
    auto order = package_order(request.requirements, policy_.packages, policy_.name);
    Status begun = order ? Status(Ok{}) : Status(order.error());
    if (order && !folder_) {
        begun = failed(unusable_);
    }
    if (begun) {
        auto& fetch = work_->order;
        fetch.requirements = std::move(order->requirements);
        fetch.constraints = std::move(order->constraints);
        fetch.index = policy_.packages.index;
        fetch.certificates = !own_certificates().empty();
        fetch.upgrade = request.upgrade;
        // What is there stays as it is, unless it was asked for.
        for (const auto& [name, version] : folder_->installed()) {
            const bool asked = std::any_of(
                fetch.requirements.begin(), fetch.requirements.end(), [&, &present = name](const auto& text) {
                    const auto requirement = parse_requirement(text);
                    return requirement && normal_name(requirement->name) == present;
                });
            if (!asked) {
                fetch.constraints.push_back(name + "==" + version);
            }
        }
        begun = start(start_fetcher(policy_), encode_fetch(fetch));
    }
    if (!begun) {
        refused_ = InstallAnswer{{}, {}, begun.error().text()};
    }
}

void Installer::cancel() {
    if (work_ && work_->unpacking) {
        store_->keep_within(policy_.packages.store_bytes);
    }
    stop_builder();
    work_.reset();
    refused_.reset();
}

void Installer::stop_builder() {
    if (work_ && work_->builder) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, work_->builder->warden_fd(), nullptr);
        work_->builder->kill();
        work_->builder.reset();
    }
}

Status Installer::start(Result<std::unique_ptr<Sandbox>> builder, const std::string& frame) {
    if (!builder) {
        return builder.error();
    }
    work_->builder = std::move(*builder);
    work_->reader = FrameReader(kBuilderBounds);
    work_->writer = FrameWriter();
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, work_->builder->warden_fd(), &event);
    return send(frame);
}

// Few and small frames go this way; a builder that doesn't take them is none.
Status Installer::send(std::string bytes) {
    if (auto pushed = work_->writer.push(std::move(bytes)); !pushed) {
        return pushed;
    }
    auto sent = work_->writer.flush(work_->builder->warden_fd());
    if (!sent || !work_->writer.empty()) {
        return failed("the builder doesn't listen: " + work_->builder->death_reason());
    }
    return Ok{};
}

std::optional<InstallAnswer> Installer::advance(const std::function<void(std::string)>& note) {
    if (!work_) {
        return std::nullopt;
    }
    if (!refused_) {
        auto done = now_() < work_->deadline
                        ? step(note)
                        : Step(failed("it took longer than " + format_duration(policy_.packages.time) +
                                      " (policy \"" + policy_.name + "\", key packages.time)"));
        if (done && !*done) {
            return std::nullopt;
        }
        refused_ = std::move(work_->answer);
        if (!done) {
            refused_->error = done.error().text();
        }
    }
    auto answer = std::move(refused_);
    cancel();
    return answer;
}

Installer::Step Installer::step(const std::function<void(std::string)>& note) {
    Frame frame;
    for (int i = 0; i < kFramesAtOnce && work_->builder; ++i) {
        auto state = work_->reader.read(work_->builder->warden_fd(), frame);
        if (!state) {
            return failed("the builder sent a malformed " + state.error().message);
        }
        if (*state == ReadState::would_block) {
            return false;
        }
        if (*state == ReadState::end_of_file) {
            const std::string why = work_->builder->death_reason();
            return failed(work_->builder->usage().oom_kills > 0
                              ? "the builder had not enough memory; packages.size says how much"
                              : "the builder ended" + (why.empty() ? std::string() : ": " + why));
        }
        CELLBLOCK_ASSIGN_OR_RETURN(auto message, decode_builder_frame(std::move(frame)));
        auto done = take(std::move(message), note);
        if (!done || *done) {
            return done;
        }
    }
    return false;
}

Installer::Step Installer::take(BuilderMessage message, const std::function<void(std::string)>& note) {
    if (const auto* why = std::get_if<BuilderFailed>(&message)) {
        return failed(why->message);
    }
    if (auto* line = std::get_if<BuilderNote>(&message)) {
        if (++work_->notes <= kMostNotes) {
            note(std::move(line->text));
        }
        return false;
    }
    return std::visit(
        [this](const auto& one) -> Step {
            if constexpr (requires { this->on(one); }) {
                return this->on(one);
            }
            return false;
        },
        message);
}

Installer::Wanted* Installer::wheel_named(const std::string& file) {
    auto& wanted = work_->wanted;
    const auto found =
        std::find_if(wanted.begin(), wanted.end(), [&](const Wanted& one) { return one.wheel.file == file; });
    return found == wanted.end() ? nullptr : &*found;
}

Installer::Step Installer::on(const Resolved& resolved) {
    if (work_->wheels.path().size() > 0 || work_->unpacking) {
        return failed("the builder resolved twice");
    }
    std::vector<std::string> pins;
    for (std::size_t i = 0; i < resolved.files.size(); ++i) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto wheel, parse_wheel_name(resolved.files[i]));
        if (!policy_.packages.dependencies && !is_allowed(wheel.name, policy_.packages)) {
            return Error{"install " + wheel.name, 0,
                         "it is needed too, and the policy doesn't allow it (policy \"" + policy_.name +
                             "\", keys packages.allow and packages.dependencies)",
                         "Who keeps the policy's file may change that"};
        }
        const auto present = folder_->installed().find(wheel.name);
        if (present != folder_->installed().end() && present->second == wheel.version) {
            work_->answer.present.push_back(wheel.pin());
            continue;
        }
        work_->wanted.push_back({std::move(wheel), resolved.digests[i], false});
        auto& wanted = work_->wanted.back();
        const bool known = wanted.digest.size() == 64 && is_plain_path(wanted.digest) &&
                           wanted.digest.find('/') == std::string::npos && store_->has(key_of(wanted));
        wanted.fetched = known;
        if (!known) {
            pins.push_back(wanted.wheel.pin());
        }
    }
    if (work_->wanted.empty()) {
        return true;
    }
    if (pins.empty()) {
        return unpack_next();
    }
    auto expecting = expect_wheels(pins);
    return expecting ? Step(false) : Step(expecting.error());
}

Status Installer::expect_wheels(const std::vector<std::string>& pins) {
    CELLBLOCK_ASSIGN_OR_RETURN(work_->wheels, folder_->incoming());
    work_->files.emplace(work_->wheels.path(),
                         TreeBounds{policy_.packages.size_bytes, static_cast<std::uint32_t>(pins.size())});
    return send(encode_wanted(pins));
}

Installer::Step Installer::on(const BuiltFile& file) {
    if (!work_->files || !work_->files->complete()) {
        return failed("the builder sent a file out of turn");
    }
    if (!work_->unpacking) {
        const Wanted* wanted = wheel_named(file.path);
        if (wanted == nullptr || wanted->fetched || file.size == 0) {
            return failed("the builder sent " + file.path + ", which wasn't asked for");
        }
    }
    auto begun = work_->files->begin_file(file.path, file.size, work_->unpacking && file.executable);
    work_->unpacked += file.size;
    return begun ? Step(false) : Step(begun.error());
}

Installer::Step Installer::on(const BuiltData& data) {
    if (!work_->files || work_->files->complete()) {
        return failed("the builder sent bytes of no file");
    }
    CELLBLOCK_RETURN_IF_ERROR(work_->files->add(data.bytes));
    if (!work_->files->complete() || work_->unpacking) {
        return false;
    }
    Wanted* wanted = wheel_named(work_->files->last_path());
    const std::string digest = work_->files->last_digest();
    if (!wanted->digest.empty() && wanted->digest != digest) {
        return failed(wanted->wheel.file + " isn't what the index says it is: its SHA-256 is " + digest);
    }
    wanted->digest = digest;
    wanted->fetched = true;
    return false;
}

Installer::Step Installer::on(const BuilderDone& /*done*/) {
    if (!work_->files || !work_->files->complete()) {
        return failed("the builder ended too early");
    }
    if (work_->unpacking) {
        CELLBLOCK_RETURN_IF_ERROR(
            store_->publish(work_->tree.path(), key_of(work_->wanted[work_->next]), work_->unpacked));
        work_->unpacked_all += work_->unpacked;
        ++work_->next;
    } else if (const auto missing = std::find_if(work_->wanted.begin(), work_->wanted.end(),
                                                 [](const Wanted& one) { return !one.fetched; });
               missing != work_->wanted.end()) {
        return failed("the index didn't give " + missing->wheel.file);
    }
    return unpack_next();
}

// The next wheel that the store has no entry of; all are there: they are shown.
Installer::Step Installer::unpack_next() {
    stop_builder();
    work_->files.reset();
    work_->unpacking = true;
    while (work_->next < work_->wanted.size() && store_->has(key_of(work_->wanted[work_->next]))) {
        ++work_->next;
    }
    if (work_->next == work_->wanted.size()) {
        return show();
    }
    const WheelName& wheel = work_->wanted[work_->next].wheel;
    CELLBLOCK_ASSIGN_OR_RETURN(work_->tree, folder_->incoming());
    work_->unpacked = 0;
    work_->files.emplace(work_->tree.path(), TreeBounds{room() - std::min(room(), work_->unpacked_all)});
    auto started = start(start_unpacker(policy_, wheel, work_->wheels.path() + "/" + wheel.file),
                         encode_unpack(wheel.pin()));
    return started ? Step(false) : Step(started.error());
}

std::uint64_t Installer::room() const {
    return policy_.packages.size_bytes - std::min(policy_.packages.size_bytes, folder_->bytes());
}

Installer::Step Installer::show() {
    std::uint64_t bytes = 0;
    for (const auto& wanted : work_->wanted) {
        bytes += store_->bytes_of(key_of(wanted));
    }
    if (bytes > room()) {
        return failed("the session's packages would need more than the policy allows (policy \"" +
                      policy_.name + "\", key packages.size)");
    }
    for (const auto& wanted : work_->wanted) {
        const std::string key = key_of(wanted);
        CELLBLOCK_RETURN_IF_ERROR(folder_->add(wanted.wheel, store_->entry(key), store_->bytes_of(key)));
        work_->answer.installed.push_back(wanted.wheel.pin());
    }
    return true;
}

}  // namespace cellblock::sandbox
