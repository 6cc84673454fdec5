// Manager.StartTransientUnit, by sd-bus of the libsystemd that the machine has.
#include "sandbox/jail/systemd_scope.h"

#include <dlfcn.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>

#include "sandbox/base/text.h"

namespace cellblock::sandbox::jail {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kStep = "ask systemd for a control group";
constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kBus = "org.freedesktop.DBus";

// The functions of libsystemd that are needed. A program that was linked with it would not start where it is
// missing, and would load it at each start for nothing.
struct SdBus {
    decltype(&sd_bus_open_user) open_user = nullptr;
    decltype(&sd_bus_open_system) open_system = nullptr;
    decltype(&sd_bus_close) close = nullptr;
    decltype(&sd_bus_unref) unref = nullptr;
    decltype(&sd_bus_is_ready) is_ready = nullptr;
    decltype(&sd_bus_process) process = nullptr;
    decltype(&sd_bus_wait) wait = nullptr;
    decltype(&sd_bus_get_unique_name) get_unique_name = nullptr;
    decltype(&sd_bus_add_match_async) add_match_async = nullptr;
    decltype(&sd_bus_call_method_async) call_method_async = nullptr;
    decltype(&sd_bus_call_async) call_async = nullptr;
    decltype(&sd_bus_message_new_method_call) new_method_call = nullptr;
    decltype(&sd_bus_message_append) append = nullptr;
    decltype(&sd_bus_message_open_container) open_container = nullptr;
    decltype(&sd_bus_message_close_container) close_container = nullptr;
    decltype(&sd_bus_message_read) read = nullptr;
    decltype(&sd_bus_message_get_error) get_error = nullptr;
    decltype(&sd_bus_message_unref) message_unref = nullptr;
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    return function != nullptr;
}

// The library stays loaded: it allows no unloading.
Result<SdBus> load_sd_bus() {
    void* const library = ::dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    SdBus bus;
    if (library != nullptr && find(library, "sd_bus_open_user", bus.open_user) &&
        find(library, "sd_bus_open_system", bus.open_system) && find(library, "sd_bus_close", bus.close) &&
        find(library, "sd_bus_unref", bus.unref) && find(library, "sd_bus_is_ready", bus.is_ready) &&
        find(library, "sd_bus_process", bus.process) && find(library, "sd_bus_wait", bus.wait) &&
        find(library, "sd_bus_get_unique_name", bus.get_unique_name) &&
        find(library, "sd_bus_add_match_async", bus.add_match_async) &&
        find(library, "sd_bus_call_method_async", bus.call_method_async) &&
        find(library, "sd_bus_call_async", bus.call_async) &&
        find(library, "sd_bus_message_new_method_call", bus.new_method_call) &&
        find(library, "sd_bus_message_append", bus.append) &&
        find(library, "sd_bus_message_open_container", bus.open_container) &&
        find(library, "sd_bus_message_close_container", bus.close_container) &&
        find(library, "sd_bus_message_read", bus.read) &&
        find(library, "sd_bus_message_get_error", bus.get_error) &&
        find(library, "sd_bus_message_unref", bus.message_unref)) {
        return bus;
    }
    const char* const why = ::dlerror();
    return Error{kStep, 0, why == nullptr ? "libsystemd.so.0 is too old" : why,
                 "Install libsystemd (Debian: libsystemd0)"};
}

// One request, from the connection to systemd's word that the scope stands. Its functions that begin with on_
// are called by sd-bus, from run() alone.
class Conversation {
public:
    Conversation(const SdBus& library, const ScopeOrder& order) : library_(library), order_(order) {}
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;
    // A request that wasn't sent yet isn't waited for: the bus may never take it.
    ~Conversation() {
        if (bus_ != nullptr) {
            library_.close(bus_);
            library_.unref(bus_);
        }
    }

    Status run() {
        const auto until = Clock::now() + order_.patience;
        const bool is_user = order_.whose == Systemd::user;
        if (const int opened = is_user ? library_.open_user(&bus_) : library_.open_system(&bus_);
            opened < 0) {
            return failure(-opened, is_user ? "there is no session bus" : "there is no system bus");
        }
        while (!outcome_) {
            if (!asked_ && library_.is_ready(bus_) > 0) {
                asked_ = true;
                ask_who_we_are();
                continue;
            }
            if (const int done = library_.process(bus_, nullptr); done < 0) {
                return failure(-done, "the bus ended the conversation");
            } else if (done > 0) {
                continue;
            }
            const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now());
            if (left.count() <= 0) {
                return failure(0,
                               "it gave no answer within " + std::to_string(order_.patience.count()) + " ms");
            }
            if (const int waited = library_.wait(bus_, static_cast<std::uint64_t>(left.count()));
                waited < 0 && waited != -EINTR) {
                return failure(-waited, "the bus ended the conversation");
            }
        }
        return *outcome_;
    }

private:
    static Error failure(int code, const std::string& message) {
        return {kStep, code, message, "`journalctl --user -e`, or as root `journalctl -e`, may tell why"};
    }

    void end(Status outcome) {
        if (!outcome_) {
            outcome_ = std::move(outcome);
        }
    }

    // True, and the request has failed: `done` is one of sd-bus's negative results.
    bool has_failed(int done, const char* what) {
        if (done < 0) {
            end(failure(-done, what));
        }
        return done < 0;
    }

    bool is_refused(sd_bus_message* reply) {
        const sd_bus_error* const error = library_.get_error(reply);
        if (error != nullptr) {
            end(failure(0, printable(error->message != nullptr ? error->message
                                     : error->name != nullptr  ? error->name
                                                               : "it refused")));
        }
        return error != nullptr;
    }

    // In a container that was given the host's bus, this process has another number for systemd, or a
    // proxy's, and systemd would move a stranger. So the bus has to know this process by the number that it
    // knows itself by. The match comes first, so that the job's end can't be missed.
    void ask_who_we_are() {
        // The rule doesn't name the scope: sd-bus matches no text behind an argument that is a number.
        const std::string rule = std::string("type='signal',sender='") + kSystemd + "',path='" +
                                 kManagerPath + "',interface='" + kManager + "',member='JobRemoved'";
        const char* name = nullptr;
        if (has_failed(
                library_.add_match_async(bus_, nullptr, rule.c_str(), on_job_removed, on_matched, this),
                "the end of its work can't be waited for") ||
            has_failed(library_.get_unique_name(bus_, &name), "the bus gives no name")) {
            return;
        }
        has_failed(library_.call_method_async(bus_, nullptr, kBus, "/org/freedesktop/DBus", kBus,
                                              "GetConnectionUnixProcessID", on_number, this, "s", name),
                   "the bus can't be asked");
    }

    static int on_matched(sd_bus_message* reply, void* self, sd_bus_error* /*error*/) {
        (void)static_cast<Conversation*>(self)->is_refused(reply);
        return 0;
    }

    static int on_number(sd_bus_message* reply, void* self, sd_bus_error* /*error*/) {
        auto& one = *static_cast<Conversation*>(self);
        std::uint32_t number = 0;
        if (one.is_refused(reply) ||
            one.has_failed(one.library_.read(reply, "u", &number), "the bus's answer can't be read")) {
            return 0;
        }
        if (number != static_cast<std::uint32_t>(::getpid())) {
            one.end(Error{kStep,
                          0,
                          "the bus belongs to another PID namespace or is a proxy, so systemd would move "
                          "another process",
                          {}});
            return 0;
        }
        one.start_scope();
        return 0;
    }

    void start_scope() {
        sd_bus_message* made = nullptr;
        if (has_failed(
                library_.new_method_call(bus_, &made, kSystemd, kManagerPath, kManager, "StartTransientUnit"),
                "a request can't be made")) {
            return;
        }
        const std::unique_ptr<sd_bus_message, decltype(&sd_bus_message_unref)> message(
            made, library_.message_unref);
        if (!has_failed(write_request(made), "a request can't be made")) {
            has_failed(library_.call_async(bus_, nullptr, made, on_started, this, 0), "it can't be asked");
        }
    }

    // Delegation of these controllers alone: systemd would enable all others on the way, too. A scope that
    // failed is forgotten as others are. The number of tasks is each sandbox's own affair.
    int write_request(sd_bus_message* message) {
        const auto number = static_cast<std::uint32_t>(::getpid());
        const std::string description = "Sandboxes of cellblock, process " + std::to_string(::getpid());
        int done = library_.append(message, "ss", order_.name.c_str(), "fail");
        const auto then = [&done](auto step) { done = done < 0 ? done : step(); };
        then([&] { return library_.open_container(message, 'a', "(sv)"); });
        then([&] {
            return library_.append(message, "(sv)(sv)(sv)", "Description", "s", description.c_str(),
                                   "CollectMode", "s", "inactive-or-failed", "DelegateControllers", "as", 3,
                                   "cpu", "memory", "pids");
        });
        then([&] {
            return library_.append(message, "(sv)(sv)", "TasksMax", "t", UINT64_MAX, "PIDs", "au", 1, number);
        });
        if (!order_.bound_to.empty()) {
            then([&] {
                return library_.append(message, "(sv)", "BindsTo", "as", 1, order_.bound_to.c_str());
            });
        }
        then([&] { return library_.close_container(message); });
        then([&] { return library_.append(message, "a(sa(sv))", 0); });
        return done;
    }

    static int on_started(sd_bus_message* reply, void* self, sd_bus_error* /*error*/) {
        auto& one = *static_cast<Conversation*>(self);
        const char* job = nullptr;
        if (!one.is_refused(reply)) {
            one.has_failed(one.library_.read(reply, "o", &job), "its answer can't be read");
        }
        return 0;
    }

    static int on_job_removed(sd_bus_message* signal, void* self, sd_bus_error* /*error*/) {
        auto& one = *static_cast<Conversation*>(self);
        std::uint32_t number = 0;
        const char* job = nullptr;
        const char* unit = nullptr;
        const char* result = nullptr;
        if (one.has_failed(one.library_.read(signal, "uoss", &number, &job, &unit, &result),
                           "its answer can't be read") ||
            one.order_.name != unit) {
            return 0;
        }
        const std::string word = result;
        one.end(word == "done" ? Status(Ok{}) : failure(0, "its job ended as \"" + printable(word) + "\""));
        return 0;
    }

    const SdBus& library_;
    const ScopeOrder& order_;
    sd_bus* bus_ = nullptr;
    bool asked_ = false;
    std::optional<Status> outcome_;
};

}  // namespace

Status move_to_scope(const ScopeOrder& order) {
    CELLBLOCK_ASSIGN_OR_RETURN(const SdBus library, load_sd_bus());
    return Conversation(library, order).run();
}

}  // namespace cellblock::sandbox::jail
