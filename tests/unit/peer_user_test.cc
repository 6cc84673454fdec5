// Who is at the other end: by sock_diag and by the tables of /proc/net alike.
#include "kernel/jupyter/peer_user.h"
#include "tests/unit/catch.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace {

using namespace cellblock::kernel;
using cellblock::sandbox::UniqueFd;
using Kind = PeerUser::Kind;

constexpr uid_t kOther = 12'345;

// A listener of family `family`, and a connection to it from another one's socket.
struct Connected {
    UniqueFd listener;
    UniqueFd client;
    UniqueFd accepted;
};

sockaddr_storage loopback(int family, in_port_t port, bool mapped) {
    sockaddr_storage name{};
    name.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(name);
        v4.sin_port = port;
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return name;
    }
    auto& v6 = reinterpret_cast<sockaddr_in6&>(name);
    v6.sin6_port = port;
    v6.sin6_addr = in6addr_loopback;
    if (mapped) {
        const std::uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
        std::memcpy(&v6.sin6_addr, bytes, sizeof bytes);
    }
    return name;
}

in_port_t port_of(int fd) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
    return name.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(name).sin_port
                                     : reinterpret_cast<sockaddr_in6&>(name).sin6_port;
}

// `mapped`: the client's socket is IPv6 and the address IPv4.
Connected connect_by(int family, bool mapped, uid_t user) {
    Connected made;
    made.listener.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto name = loopback(family, 0, false);
    if (::bind(made.listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
        ::listen(made.listener.get(), 4) != 0) {
        return made;
    }
    made.client.reset(::socket(mapped ? AF_INET6 : family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (user != ::geteuid()) {
        REQUIRE(::fchown(made.client.get(), user, static_cast<gid_t>(-1)) ==
                0);  // as that user's process would own it
    }
    name = loopback(mapped ? AF_INET6 : family, port_of(made.listener.get()), mapped);
    if (::connect(made.client.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) {
        made.accepted.reset(::accept4(made.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
    return made;
}

}  // namespace

TEST_CASE("a peer's user is known, whatever the family and whoever tells it") {
    const bool tables_alone = GENERATE(false, true);
    const auto [family, mapped] =
        GENERATE(table<int, bool>({{AF_INET, false}, {AF_INET, true}, {AF_INET6, false}}));
    const uid_t user = ::geteuid() == 0 ? GENERATE(uid_t{0}, kOther) : ::geteuid();
    CAPTURE(tables_alone, family, mapped, user);
    PeerUsers users(tables_alone);
    REQUIRE(users.can_tell());
    Connected both = connect_by(family, mapped, user);
    if (!both.accepted.valid()) {
        WARN("no loopback of that family here");
        return;
    }
    for (int i = 0; i < 3; ++i) {
        const PeerUser peer = users.of(both.accepted.get());
        CHECK(peer.kind == Kind::known);
        CHECK(peer.user == user);
    }
    both.client.reset();
    CHECK(users.of(both.accepted.get()).kind == Kind::gone);
}

TEST_CASE("a Unix socket tells its peer itself, and what isn't connected is gone") {
    PeerUsers users;
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const UniqueFd one(ends[0]);
    const UniqueFd other(ends[1]);
    CHECK(users.of(one.get()).kind == Kind::known);
    CHECK(users.of(one.get()).user == ::geteuid());
    const UniqueFd alone(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(users.of(alone.get()).kind == Kind::gone);
    CHECK(users.of(-1).kind == Kind::gone);
}
