// The warden of jails, as PID 1 of a namespace, and the watch over memory.
#include "sandbox/jail/warden.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <vector>

#include "sandbox/api/unique_fd.h"
#include "sandbox/channel/frame.h"
#include "sandbox/channel/link.h"
#include "sandbox/channel/messages.h"
#include "sandbox/jail/memory_watch.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using cellblock::tests::Contains;

namespace {

constexpr int kPatience = 20'000;  // ms
constexpr int kNoNamespace = 77;

std::array<UniqueFd, 2> pair_of_sockets() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// What the tests' workers do: one byte that comes is one thing to do.
[[noreturn]] void work(int socket) {
    char asked = 0;
    while (::read(socket, &asked, 1) == 1) {
        switch (asked) {
            case 'e':
                ::_exit(5);
            case 'f':  // a child that outlives its parent, unless it is killed
                if (::fork() == 0) {
                    ::setsid();
                    ::pause();
                }
                break;
            case 's':
                ::signal(SIGINT, SIG_DFL);
                break;
            default:
                break;
        }
        (void)!::write(socket, &asked, 1);
    }
    ::_exit(0);
}

// Never returns.
void be_namespace(int control, int words) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::alarm(kPatience / 1000 * 2);  // whatever happens
    const int user = ::geteuid() == 0 ? 0 : CLONE_NEWUSER;
    if (::unshare(CLONE_NEWPID | user) != 0) {
        ::_exit(kNoNamespace);
    }
    const pid_t first = ::fork();
    if (first == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(words, STDERR_FILENO);
        ::dup2(control, 3);
        ::close_range(4, ~0U, 0);
        const auto worker = jail::be_warden({});
        work(worker.socket);
    }
    ::close_range(3, ~0U, 0);  // the host's end among them, which only the host is to hold
    int status = 0;
    ::waitpid(first, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

class Jail {
public:
    Jail() : control_(pair_of_sockets()) {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        words_.reset(ends[0]);
        const UniqueFd write_end(ends[1]);
        process_ = ::fork();
        if (process_ == 0) {
            be_namespace(control_[1].get(), write_end.get());
        }
        control_[1].reset();
        REQUIRE(told() == R"({"type": "hello"})");
    }
    ~Jail() {
        if (process_ > 0) {
            ::kill(process_, SIGKILL);
            ::waitpid(process_, nullptr, 0);
        }
    }
    Jail(const Jail&) = delete;
    Jail& operator=(const Jail&) = delete;

    // The next frame's header; empty: the end.
    [[nodiscard]] std::string told() const {
        const std::string head = read(8);
        return head.size() < 8
                   ? ""
                   : read(static_cast<unsigned char>(head[2]) * 256U + static_cast<unsigned char>(head[3]));
    }
    void send(const std::string& bytes) const {
        REQUIRE(::send(control_[0].get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    void command(const char* type) const { send(encode_warden_command(type)); }
    [[nodiscard]] UniqueFd start_worker() const {
        auto sockets = cellblock::sandbox::start_worker(control_[0].get(), false);
        REQUIRE(static_cast<bool>(sockets));
        return std::move(sockets->worker);
    }
    // The exit status of PID 1, which must end by itself; and what it said.
    std::pair<int, std::string> end() {
        int status = 0;
        REQUIRE(::waitpid(process_, &status, 0) == process_);
        process_ = -1;
        std::array<char, 512> text{};
        const ssize_t size = ::read(words_.get(), text.data(), text.size());
        return {WEXITSTATUS(status), {text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))}};
    }
    void hang_up() { control_[0].reset(); }

private:
    [[nodiscard]] std::string read(std::size_t size) const {
        std::string bytes(size, '\0');
        std::size_t have = 0;
        while (have < size) {
            pollfd wanted{control_[0].get(), POLLIN, 0};
            if (::poll(&wanted, 1, kPatience) <= 0) {
                return "nothing came";
            }
            const ssize_t part = ::recv(control_[0].get(), bytes.data() + have, size - have, 0);
            if (part <= 0) {
                return "";
            }
            have += static_cast<std::size_t>(part);
        }
        return bytes;
    }

    std::array<UniqueFd, 2> control_;
    UniqueFd words_;
    pid_t process_ = -1;
};

bool namespaces_are_refused() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        const int user = ::geteuid() == 0 ? 0 : CLONE_NEWUSER;
        ::_exit(::unshare(CLONE_NEWPID | user) == 0 ? 0 : kNoNamespace);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    const bool refused = WEXITSTATUS(status) == kNoNamespace;
    if (refused) {
        WARN("skipped: this machine lets no PID namespace be made");
    }
    return refused;
}

// Asks a worker for one thing; true once it has answered.
bool ask(const UniqueFd& worker, char what) {
    pollfd wanted{worker.get(), POLLIN, 0};
    char answer = 0;
    return ::write(worker.get(), &what, 1) == 1 && ::poll(&wanted, 1, kPatience) == 1 &&
           ::read(worker.get(), &answer, 1) == 1 && answer == what;
}

}  // namespace

TEST_CASE("a warden's workers live and die one after another") {
    if (namespaces_are_refused()) {
        return;
    }
    Jail jail;

    auto worker = jail.start_worker();
    REQUIRE(ask(worker, 'x'));
    jail.command("interrupt");
    REQUIRE(ask(worker, 'f'));  // it is ignored until there is a handler
    REQUIRE(::write(worker.get(), "e", 1) == 1);
    REQUIRE(jail.told() == R"({"type": "worker_exited", "exit_status": 5, "signal": null})");

    worker = jail.start_worker();
    REQUIRE(ask(worker, 's'));
    jail.command("interrupt");
    REQUIRE(jail.told() == R"({"type": "worker_exited", "exit_status": null, "signal": 2})");

    worker = jail.start_worker();
    REQUIRE(ask(worker, 'f'));
    jail.command("kill_worker");
    REQUIRE(jail.told() == R"({"type": "worker_exited", "exit_status": null, "signal": 9})");

    jail.command("interrupt");  // of nobody
    jail.command("kill_worker");
    worker = jail.start_worker();
    REQUIRE(ask(worker, 'x'));
    jail.hang_up();
    REQUIRE(jail.end().first == 0);
}

TEST_CASE("what a warden can't read ends the jail, with the reason") {
    if (namespaces_are_refused()) {
        return;
    }
    const auto head = [](std::size_t size, char buffers = 0) {
        return std::string{'\0', '\0',   static_cast<char>(size >> 8), static_cast<char>(size), '\0', '\0',
                           '\0', buffers};
    };
    const std::string nonsense = R"({"type":"nonsense"})";
    const auto [bytes, words] = GENERATE_COPY(table<std::string, std::string>({
        {head(0), "out of bounds"},
        {head(40'000), "out of bounds"},
        {head(10, 1), "out of bounds"},
        {head(nonsense.size()) + nonsense, "unknown command"},
        {encode_warden_command("start_worker"), "without a socket"},
    }));
    Jail jail;
    jail.send(bytes);
    const auto [status, said] = jail.end();
    REQUIRE(status == 1);
    REQUIRE_THAT(said, Contains(words));
}

TEST_CASE("a second worker beside the first ends the jail") {
    if (namespaces_are_refused()) {
        return;
    }
    Jail jail;
    const auto worker = jail.start_worker();
    const auto another = jail.start_worker();
    const auto [status, said] = jail.end();
    REQUIRE(status == 1);
    REQUIRE_THAT(said, Contains("while one lives"));
}

TEST_CASE("commands that come in pieces and together are read") {
    if (namespaces_are_refused()) {
        return;
    }
    Jail jail;
    const auto worker = jail.start_worker();
    REQUIRE(ask(worker, 's'));
    const std::string interrupt = encode_warden_command("interrupt");
    for (const char byte : interrupt.substr(0, interrupt.size() - 1)) {
        jail.send({byte});
    }
    REQUIRE(ask(worker, 'x'));
    jail.send(interrupt.substr(interrupt.size() - 1) + encode_warden_command("kill_worker"));
    REQUIRE_THAT(jail.told(), Contains("worker_exited"));
}

// By a limit that is above a half of what all have. They come and go meanwhile.
pid_t victim_above_half() {
    constexpr int kTimes = 20;
    constexpr std::uint64_t kMost = 1ULL << 50;
    for (int i = 0; i < kTimes; ++i) {
        for (std::uint64_t limit = 1; limit < kMost; limit *= 2) {
            if (const pid_t victim = jail::MemoryWatch(limit).look().victim; victim >= 0) {
                if (victim > 0) {
                    return victim;
                }
                break;
            }
        }
    }
    return 0;
}

TEST_CASE("the watch over memory names the largest above its limit, and all at twice of that") {
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::pause();
    }
    REQUIRE_FALSE(jail::MemoryWatch(0).is_on());
    REQUIRE(victim_above_half() > 0);
    REQUIRE(jail::MemoryWatch(1).look().victim == -1);
    REQUIRE(jail::MemoryWatch(1ULL << 60).look().victim == 0);
    std::array<int, 2> sockets{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) == 0);
    REQUIRE(jail::MemoryWatch(1ULL << 50, 1ULL << 50).look().victim != 0);  // sockets count
    for (const int one : sockets) {
        ::close(one);
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

TEST_CASE("a warden's order stands in the plan's arguments") {
    const auto order_of = [](std::vector<const char*> words) {  // `worker` isn't to be followed afterwards
        words.push_back(nullptr);
        return jail::warden_order(const_cast<char* const*>(words.data()));
    };
    CHECK(order_of({"warden"}).worker == nullptr);
    CHECK(order_of({"warden", "--"}).worker == nullptr);
    CHECK_FALSE(order_of({"warden", "--", "python", "--memory=5"}).watch.is_on());
    CHECK(order_of({"warden", "--memory=5", "--socket=6", "--", "python"}).watch.is_on());
    CHECK(order_of({"warden", "--", "python"}).has_namespaces);
    CHECK_FALSE(order_of({"warden", "--no-namespaces", "--", "python"}).has_namespaces);
}
