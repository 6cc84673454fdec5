// A Unix socket knows its peer's user. For TCP the kernel's sock_diag is asked, or else /proc/net/tcp is
// read.
#include "kernel/jupyter/peer_user.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace cellblock::kernel {

using Kind = PeerUser::Kind;
using sandbox::UniqueFd;

namespace {

constexpr int kAnswerMilliseconds = 500;
constexpr std::size_t kMaxTable = std::size_t{64} << 20;

// A TCP address. An IPv4 address is in the last four bytes of `bytes`, as in IPv6's mapped addresses.
struct Address {
    bool v6 = false;
    std::array<std::uint8_t, 16> bytes{};
    std::uint16_t port = 0;
    std::uint32_t interface = 0;  // of a link-local one

    [[nodiscard]] bool is_loopback() const {
        if (!v6) {
            return bytes[12] == 127;
        }
        constexpr std::array<std::uint8_t, 16> kOwn{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        return bytes == kOwn;
    }
};

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Address address_of(const sockaddr_storage& name) {
    Address address;
    if (name.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(name);
        std::memcpy(address.bytes.data() + 12, &v4.sin_addr, 4);
        address.port = ntohs(v4.sin_port);
        return address;
    }
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(name);
    std::memcpy(address.bytes.data(), &v6.sin6_addr, 16);
    address.port = ntohs(v6.sin6_port);
    address.interface = v6.sin6_scope_id;
    address.v6 = std::memcmp(address.bytes.data(), kMapped.data(), kMapped.size()) != 0;
    return address;
}

// The address in the order of inet_diag and of the tables, where IPv4 is in the first word.
std::array<std::uint32_t, 4> words_of(const Address& address) {
    std::array<std::uint32_t, 4> words{};
    std::memcpy(words.data(), address.bytes.data() + (address.v6 ? 0 : 12), address.v6 ? 16 : 4);
    return words;
}

struct DiagnosisRequest {
    nlmsghdr header;
    inet_diag_req_v2 body;
};

struct DiagnosisAnswer {
    nlmsghdr header;
    union {
        inet_diag_msg found;
        nlmsgerr error;
    };
};

DiagnosisRequest request_for(const Address& local, const Address& remote, std::uint32_t number) {
    DiagnosisRequest request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.header.nlmsg_seq = number;
    request.body.sdiag_family = local.v6 ? AF_INET6 : AF_INET;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = ~0U;
    auto& id = request.body.id;
    id.idiag_sport = htons(local.port);
    id.idiag_dport = htons(remote.port);
    std::memcpy(id.idiag_src, words_of(local).data(), sizeof id.idiag_src);
    std::memcpy(id.idiag_dst, words_of(remote).data(), sizeof id.idiag_dst);
    id.idiag_if = local.interface;
    id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return request;
}

// A peer that is missing in this machine's tables is on another machine, unless its address is a loopback
// one.
PeerUser not_here(const Address& peer) {
    return {peer.is_loopback() ? Kind::gone : Kind::elsewhere, 0};
}

// "0100007F:1F90", as in /proc/net/tcp; `mapped`: an IPv4 address as /proc/net/tcp6 has it.
std::string in_table(const Address& address, bool mapped) {
    std::array<std::uint32_t, 4> words{};
    std::memcpy(words.data(), address.bytes.data(), 16);
    if (mapped) {
        words[2] = htonl(0xffff);
    }
    std::string text;
    std::array<char, 16> part{};
    for (std::size_t i = address.v6 || mapped ? 0 : 3; i < 4; ++i) {
        std::snprintf(part.data(), part.size(), "%08X", words[i]);
        text += part.data();
    }
    std::snprintf(part.data(), part.size(), ":%04X", address.port);
    return text + part.data();
}

std::optional<std::string> read_whole(int fd) {
    std::string text;
    std::array<char, 65'536> part{};
    if (::lseek(fd, 0, SEEK_SET) != 0) {
        return std::nullopt;
    }
    while (text.size() < kMaxTable) {
        const ssize_t got = ::read(fd, part.data(), part.size());
        if (got == 0) {
            return text;
        }
        if (got < 0 && errno != EINTR) {
            return std::nullopt;
        }
        text.append(part.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    return std::nullopt;
}

// The word number `index` after the two addresses of a table's line: state, queues, timer, retransmissions,
// user, timeout, inode.
std::uint64_t number_at(std::string_view line, int index) {
    std::size_t at = 0;
    for (int i = 0; i <= index; ++i) {
        at = line.find_first_not_of(' ', at);
        if (at == std::string_view::npos) {
            return 0;
        }
        if (i < index) {
            at = std::min(line.find(' ', at), line.size());
        }
    }
    std::uint64_t number = 0;
    std::from_chars(line.data() + at, line.data() + line.size(), number);
    return number;
}

std::optional<PeerUser> find_in(const std::string& table, const Address& local, const Address& remote,
                                bool mapped) {
    constexpr int kUser = 4;
    constexpr int kInode = 6;
    const std::string wanted = " " + in_table(local, mapped) + " " + in_table(remote, mapped) + " ";
    const auto found = table.find(wanted);
    if (found == std::string::npos) {
        return std::nullopt;
    }
    const auto begin = found + wanted.size();
    const auto line = std::string_view(table).substr(begin, table.find('\n', begin) - begin);
    return number_at(line, kInode) == 0 ? PeerUser{Kind::gone, 0}
                                        : PeerUser{Kind::known, static_cast<uid_t>(number_at(line, kUser))};
}

UniqueFd open_diagnosis() {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    const timeval longest{0, kAnswerMilliseconds * 1000};
    if (fd.valid() && ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest) != 0) {
        fd.reset();
    }
    return fd;
}

}  // namespace

PeerUsers::PeerUsers(bool tables_alone)
    : diagnosis_(tables_alone ? UniqueFd() : open_diagnosis()),
      tcp_(::open("/proc/net/tcp", O_RDONLY | O_CLOEXEC)),
      tcp6_(::open("/proc/net/tcp6", O_RDONLY | O_CLOEXEC)) {
    // Does sock_diag answer at all? These ports are nobody's, and an answer that says so is enough.
    sockaddr_storage nobody{};
    nobody.ss_family = AF_INET;
    if (diagnosis_.valid() && ask_kernel(nobody, nobody).kind == Kind::unknown) {
        diagnosis_.reset();
    }
}

PeerUser PeerUsers::of(int connected) {
    sockaddr_storage own{};
    sockaddr_storage peer{};
    socklen_t size = sizeof own;
    if (::getsockname(connected, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
        return {Kind::gone, 0};
    }
    if (own.ss_family == AF_UNIX) {
        ucred credentials{};
        socklen_t length = sizeof credentials;
        const bool told = ::getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0;
        return {told ? Kind::known : Kind::unknown, credentials.uid};
    }
    size = sizeof peer;
    if (::getpeername(connected, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
        return {Kind::gone, 0};
    }
    return diagnosis_.valid() ? ask_kernel(peer, own) : look_in_tables(peer, own);
}

PeerUser PeerUsers::ask_kernel(const sockaddr_storage& peer, const sockaddr_storage& own) {
    const Address remote = address_of(peer);
    const DiagnosisRequest request = request_for(remote, address_of(own), ++asked_);
    if (::send(diagnosis_.get(), &request, sizeof request, 0) < 0) {
        return {};
    }
    DiagnosisAnswer answer{};
    ssize_t got = -1;
    do {
        got = ::recv(diagnosis_.get(), &answer, sizeof answer, MSG_TRUNC);
        // The late answer to an earlier question, which was given up.
    } while ((got < 0 && errno == EINTR) ||
             (got >= static_cast<ssize_t>(sizeof(nlmsghdr)) && answer.header.nlmsg_seq != asked_));
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr::error))) {
        return {};
    }
    if (answer.header.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
        return answer.found.idiag_inode == 0 ? PeerUser{Kind::gone, 0}
                                             : PeerUser{Kind::known, answer.found.idiag_uid};
    }
    const bool absent = answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error == -ENOENT;
    return absent && remote.port != 0 ? not_here(remote) : PeerUser{absent ? Kind::gone : Kind::unknown, 0};
}

PeerUser PeerUsers::look_in_tables(const sockaddr_storage& peer, const sockaddr_storage& own) {
    const Address remote = address_of(peer);
    const Address here = address_of(own);
    bool looked = false;
    for (const auto* file : {&tcp_, &tcp6_}) {
        const bool v6_table = file == &tcp6_;
        if (!file->valid() || (remote.v6 && !v6_table)) {
            continue;
        }
        const auto table = read_whole(file->get());
        if (!table) {
            return {};
        }
        looked = true;
        if (auto found = find_in(*table, remote, here, v6_table && !remote.v6)) {
            return *found;
        }
    }
    return looked ? not_here(remote) : PeerUser{};
}

}  // namespace cellblock::kernel
