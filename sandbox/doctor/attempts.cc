// The attempts, layer by layer.
#include "sandbox/doctor/attempts.h"

#include <array>

namespace cellblock::sandbox::doctor {

namespace {

constexpr auto kAttempts = std::to_array<Attempt>({
    // --- namespaces
    {"see_processes", "namespaces", "see the host's processes", R"PY(
seen = [entry for entry in os.listdir("/proc") if entry.isdigit()]
for one in seen:
    try:
        if host["token"] in open("/proc/%s/environ" % one).read() or "doctor" in open("/proc/%s/cmdline" % one).read():
            return "process %s is the doctor's" % one
    except OSError:
        pass
if len(seen) > 50: return "%d processes" % len(seen)
raise Stopped("%d processes seen, all of the sandbox" % len(seen)))PY"},
    {"signal_process", "namespaces", "send a signal to a process of the host", R"PY(
os.kill(host["pid"], 0))PY"},
    {"new_user_namespace", "namespaces", "make a user namespace", R"PY(
call("unshare", 0x10000000))PY"},
    {"join_namespace", "namespaces", "join another process's mount namespace", R"PY(
with open("/proc/1/ns/mnt") as place: call("setns", place.fileno(), 0))PY"},
    {"host_name", "namespaces", "learn the host's name", R"PY(
if host["name"] and socket.gethostname() == host["name"]: return host["name"]
raise Stopped("it is called %s inside" % socket.gethostname()))PY"},
    // --- root
    {"read_secret", "root", "read a secret in the home folder", R"PY(
return open(host["secret"]).read())PY"},
    {"list_home", "root", "list the home folder", R"PY(
return ", ".join(os.listdir(host["folder"])))PY"},
    {"secret_by_proc", "root", "read it by way of /proc/1/root", R"PY(
return open("/proc/1/root" + host["secret"]).read())PY"},
    {"secret_by_climbing", "root", "read it by climbing out with ..", R"PY(
return open("../" * 40 + host["secret"].lstrip("/")).read())PY"},
    {"secret_by_handle", "root", "read it by a file handle", R"PY(
return probe("open_by_handle_at", -1, 0, 0))PY"},
    {"password_file", "root", "read /etc/shadow", R"PY(
return open("/etc/shadow").read()[:20])PY"},
    {"write_root", "root", "write to /", R"PY(
open("/doctor", "w"))PY"},
    {"write_usr", "root", "write to /usr/bin", R"PY(
open("/usr/bin/doctor", "w"))PY"},
    {"write_etc", "root", "change /etc/hosts", R"PY(
open("/etc/hosts", "a"))PY"},
    {"write_python", "root", "change the Python that runs it", R"PY(
open(json.__file__, "a"))PY"},
    {"write_shown", "root", "change a file of the folder that the notebook lies in", R"PY(
places = [os.path.join(folder, "planted.txt") for folder in (".", "/work", host["shown"])]
for place in places:
    try:
        with open(place, "w") as file: file.write("changed by the sandbox")
    except OSError:
        pass
raise Stopped("the host's file is as it was"))PY"},
    {"mount", "root", "mount a filesystem", R"PY(
return probe("mount", b"none", b"/tmp", b"tmpfs", 0, 0))PY"},
    {"chroot", "root", "chroot", R"PY(
call("chroot", b"/"))PY"},
    {"make_device", "root", "make a device node", R"PY(
os.mknod(tempfile.gettempdir() + "/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)))PY"},
    {"find_device", "root", "find a disk, memory or kernel log in /dev", R"PY(
found = [name for name in glob.glob("/dev/*") if stat.S_ISBLK(os.stat(name).st_mode) or name in ("/dev/mem", "/dev/kmsg", "/dev/fuse")]
if found: return ", ".join(found)
raise Stopped("only " + " ".join(sorted(os.listdir("/dev")))))PY"},
    {"kernel_settings", "root", "change the kernel's settings", R"PY(
for name in ("kernel/core_pattern", "kernel/sysrq", "vm/overcommit_memory", "kernel/modprobe"):
    try:
        open("/proc/sys/" + name, "r+").close()
        return name
    except OSError as error:
        last = error
raise last)PY"},
    {"kernel_memory", "root", "read the kernel's memory", R"PY(
return open("/proc/kcore", "rb").read(8) or (_ for _ in ()).throw(Stopped("it is empty")))PY"},
    {"hardware", "root", "look at the hardware in /sys", R"PY(
return ", ".join(os.listdir("/sys")) or (_ for _ in ()).throw(Stopped("it is empty")))PY"},
    {"docker_socket", "root", "find a container engine's socket", R"PY(
found = [name for name in ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock") if os.path.exists(name)]
if found: return ", ".join(found)
raise Stopped("none is there"))PY"},
    // --- user
    {"become_root", "user", "become root", R"PY(
os.setuid(0)
if open("/etc/shadow").read(): return "it is root")PY"},
    {"setuid_program", "user", "gain rights by a setuid program", R"PY(
if status("NoNewPrivs") != "1": return "setuid programs have effect"
program = next((name for name in ("/usr/bin/su", "/bin/su", "/usr/bin/newgrp") if os.path.exists(name)), None)
if program and not os.statvfs(program).f_flag & os.ST_NOSUID: return "%s keeps its setuid bit" % program
raise Stopped("no_new_privs, and files are mounted nosuid"))PY"},
    {"user_names", "user", "learn the names of the host's users", R"PY(
import pwd
names = [entry.pw_name for entry in pwd.getpwall()]
if host["user"] in names and host["user"] not in ("root", "nobody", "cell"): return host["user"]
raise Stopped("only " + " ".join(names)))PY"},
    // --- capabilities
    {"capabilities", "capabilities", "find a capability left over", R"PY(
left = {name: status(name) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
if any(int(value, 16) for value in left.values()): return str(left)
raise Stopped("every set is empty"))PY"},
    {"set_clock", "capabilities", "set the clock", R"PY(
return probe("clock_settime", 0, 0))PY"},
    {"set_host_name", "capabilities", "change the host name", R"PY(
name = socket.gethostname().encode()
call("sethostname", name, len(name)))PY"},
    {"reboot", "capabilities", "reboot", R"PY(
return probe("reboot", 0, 0, 0, 0))PY"},
    {"kernel_module", "capabilities", "load a kernel module", R"PY(
return probe("init_module", 0, 0, 0))PY"},
    // --- seccomp
    {"trace", "seccomp", "trace another process", R"PY(
return probe("ptrace", 16, 1, 0, 0))PY"},
    {"write_process", "seccomp", "write to the memory of the sandbox's first process", R"PY(
with open("/proc/1/mem", "rb+") as memory: return "opened")PY"},
    {"read_environment", "seccomp", "read that process's environment", R"PY(
return open("/proc/1/environ").read())PY"},
    {"steal_descriptor", "seccomp", "take a descriptor of the sandbox's first process", R"PY(
return probe("pidfd_getfd", os.pidfd_open(1), 0, 0))PY"},
    {"bpf", "seccomp", "load a BPF program", R"PY(
return probe("bpf", 5, 0, 0))PY"},
    {"io_uring", "seccomp", "open an io_uring", R"PY(
return probe("io_uring_setup", 1, 0))PY"},
    {"userfaultfd", "seccomp", "use userfaultfd", R"PY(
return probe("userfaultfd", 1))PY"},
    {"perf", "seccomp", "count performance events", R"PY(
return probe("perf_event_open", 0, 0, -1, -1, 0))PY"},
    {"keyring", "seccomp", "reach a kernel keyring", R"PY(
return probe("keyctl", 0, -3, 0, 0, 0))PY"},
    {"kexec", "seccomp", "boot another kernel", R"PY(
return probe("kexec_load", 0, 0, 0, 0))PY"},
    {"kernel_log", "seccomp", "read the kernel's messages", R"PY(
return probe("syslog", 10, 0, 0))PY"},
    {"personality", "seccomp", "switch off the randomising of addresses", R"PY(
call("personality", 0x0040000))PY"},
    {"type_into_terminal", "seccomp", "type into a terminal", R"PY(
import fcntl, pty, termios
leader, follower = pty.openpty()
try:
    fcntl.ioctl(follower, termios.TIOCSTI, b"x")
finally:
    os.close(leader); os.close(follower))PY"},
    {"strange_sockets", "seccomp", "open netlink, packet, vsock or crypto sockets", R"PY(
for family in (16, 17, 40, 38):
    try:
        socket.socket(family, socket.SOCK_RAW).close()
        return "address family %d" % family
    except OSError as error:
        last = error
raise last)PY"},
    {"strange_pairs", "seccomp", "make pairs of such sockets", R"PY(
return probe("socketpair", 16, 3, 0, ctypes.create_string_buffer(8)))PY"},
    {"watch_programs", "seccomp", "watch which programs the host starts", R"PY(
return probe("inotify_init1", 0))PY"},
    {"lease", "seccomp", "hold up the host's programs by a lease on a file", R"PY(
import fcntl
with open("/usr/bin/env", "rb") as file: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK))PY"},
    // --- network
    {"loopback", "network", "reach a server on the host's loopback", R"PY(
socket.create_connection(("127.0.0.1", host["port"]), 2).close())PY"},
    {"loopback_6", "network", "reach it by IPv6", R"PY(
if not host["port_6"]: raise Skipped("the host has no IPv6")
socket.create_connection(("::1", host["port_6"]), 2).close())PY"},
    {"abstract_socket", "network", "reach an abstract socket of the host", R"PY(
with socket.socket(socket.AF_UNIX) as one: one.connect("\0" + host["abstract"]))PY"},
    {"file_socket", "network", "reach a Unix socket in the home folder", R"PY(
with socket.socket(socket.AF_UNIX) as one: one.connect(host["socket"]))PY"},
    {"proxy_names", "network", "reach the host by the proxy, under an odd name", R"PY(
names = ["127.0.0.1", "localhost", "0", "0.0.0.0", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "[::1%25lo]",
         "localhost\0.example.org", "169.254.169.254", "metadata.google.internal", "10.0.0.1"]
said = None
for name in names:
    with socket.create_connection(("127.0.0.1", 3128), 2) as one:
        one.sendall(("CONNECT %s:%d HTTP/1.1\r\n\r\n" % (name, host["port"])).encode())
        said = one.recv(200).split(b"\r\n")[0].decode()
        if said.startswith("HTTP/1.1 200"): return name
raise Stopped(said))PY"},
    {"proxy_socks", "network", "reach the host by the proxy's SOCKS", R"PY(
said = b""
for request in (b"\5\1\0\1\x7f\0\0\1", b"\5\1\0\3\x09localhost", b"\5\2\0\1\0\0\0\0", b"\5\3\0\1\0\0\0\0"):
    with socket.create_connection(("127.0.0.1", 3128), 2) as one:
        one.sendall(b"\5\1\0" + request + host["port"].to_bytes(2, "big"))
        one.settimeout(5)
        while len(said) < 4: said += one.recv(20)
        if said[3] == 0: return repr(request)
        said = b""
raise Stopped("refused by SOCKS"))PY"},
    {"proxy_fronting", "network", "speak TLS to another server than the allowed one", R"PY(
if not host["allowed"]: raise Skipped("the policy allows no host")
import ssl
for name in ("other.example", "localhost.other.example", None):
    context = ssl.create_default_context()
    context.check_hostname = False
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    try: context.wrap_bio(into, out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError: pass
    with socket.create_connection(("127.0.0.1", 3128), 5) as one:
        one.sendall(b"CONNECT localhost:%d HTTP/1.1\r\n\r\n" % host["allowed"])
        said = one.recv(500)
        if not said.startswith(b"HTTP/1.1 200"): raise Stopped(said.split(b"\r\n")[0].decode())
        one.sendall(out.read())
        try:
            while said: said = one.recv(500)
        except ConnectionError: pass
        except socket.timeout: return str(name)
raise Stopped("such connections were ended"))PY"},
    {"proxy_smuggling", "network", "hide a request behind one that is allowed", R"PY(
if not host["allowed"]: raise Skipped("the policy allows no host")
for head in ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 60\r\n",
             "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding : chunked\r\n", " folded: yes\r\n", "A: b\nHost: other\r\n"):
    with socket.create_connection(("127.0.0.1", 3128), 5) as one:
        one.sendall(("POST http://localhost:%d/ HTTP/1.1\r\n%s\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n" % (host["allowed"], head)).encode())
        said = one.recv(500).split(b"\r\n")[0].decode()
        if not said.startswith("HTTP/1.1 4"): return repr(head)
raise Stopped(said))PY"},
    {"proxy_private", "network", "reach this machine by an allowed name that leads to it", R"PY(
if not host["allowed"] or not host["name"]: raise Skipped("the policy allows no host")
with socket.create_connection(("127.0.0.1", 3128), 15) as one:
    one.sendall(("CONNECT %s:%d HTTP/1.1\r\n\r\n" % (host["name"], host["allowed"])).encode())
    said = one.recv(500).split(b"\r\n")[0].decode()
if said.startswith("HTTP/1.1 200"): return host["name"]
raise Stopped(said))PY"},
    {"internet", "network", "reach the Internet", R"PY(
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.settimeout(2); one.connect(("192.0.2.1", 53)); one.send(b"x"))PY"},
    {"raw_socket", "network", "open a raw socket", R"PY(
socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())PY"},
    {"interfaces", "network", "find a network interface", R"PY(
names = [name for _, name in socket.if_nameindex()] if 0 else [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
if [name for name in names if name != "lo"]: return ", ".join(names)
raise Stopped("only its own loopback"))PY"},
    // --- limits of each process
    {"open_files", "rlimits", "open files without end", R"PY(
held = []
try:
    for _ in range(100000): held.append(os.dup(0))
finally:
    count = len(held)
    for one in held: os.close(one))PY"},
    {"core_dump", "rlimits", "leave a core dump", R"PY(
if resource.getrlimit(resource.RLIMIT_CORE)[1] > 1: return "its size isn't limited"
raise Stopped("limited to %d byte" % resource.getrlimit(resource.RLIMIT_CORE)[1]))PY"},
    {"one_process_memory", "rlimits", "take more than limits.memory in one process", R"PY(
held = bytearray(host["memory"] + (1 << 20))
return "%d MiB" % (len(held) >> 20))PY",
     true},
    // --- limits of the whole
    {"many_processes_memory", "memory", "take more than limits.memory in four processes", R"PY(
share, children = int(host["memory"] * 0.45), []
for _ in range(4):
    child = os.fork()
    if child == 0:
        try:
            held = bytearray(share); time.sleep(0.8); os._exit(0)
        finally:
            os._exit(9)
    children.append(child)
alive = [os.waitpid(child, 0)[1] for child in children].count(0)
if alive * share > host["memory"]: return "%d had %d MiB each" % (alive, share >> 20)
raise Stopped("%d of 4 could live" % alive))PY",
     true},
    {"fork_bomb", "processes", "start more processes than limits.processes", R"PY(
if host["processes"] > 4096: raise Skipped("limits.processes is above 4096")
children, (reading, writing) = [], os.pipe()
try:
    for _ in range(host["processes"] + 20):
        child = os.fork()
        if child == 0:
            os.close(writing); os.read(reading, 1); os._exit(0)
        children.append(child)
    return "%d at once" % len(children)
finally:
    os.close(writing); os.close(reading)
    for child in children: os.waitpid(child, 0))PY"},
    {"all_processors", "cpus", "use more processors than limits.cpus", R"PY(
cores = len(os.sched_getaffinity(0))
if cores <= host["cpus"]: raise Skipped("there are no more processors than that")
start, children = time.monotonic(), []
for _ in range(min(cores, int(host["cpus"]) + 2)):
    child = os.fork()
    if child == 0:
        while time.monotonic() < start + 1: pass
        os._exit(0)
    children.append(child)
used = sum(os.wait4(child, 0)[2].ru_utime for child in children) / (time.monotonic() - start)
if used > host["cpus"] * 1.3: return "%.1f at once" % used
raise Stopped("it got %.1f" % used))PY"},
    {"fill_disk", "disk", "write more than limits.disk", R"PY(
written = 0
try:
    for number in range(2):  # one file alone meets the bound of a file's size
        with open("%s/fill%d" % (tempfile.gettempdir(), number), "wb") as file:
            for _ in range((host["disk"] >> 21) + 1): written += file.write(b"x" * (1 << 20))
    return "%d MiB" % (written >> 20)
finally:
    for name in glob.glob(tempfile.gettempdir() + "/fill*"): os.unlink(name))PY",
     true},
    {"many_files", "disk", "make files without end", R"PY(
folder, most = tempfile.gettempdir() + "/many", max(host["disk"] >> 12, 4096)
if most > 100000: raise Skipped("limits.disk allows more than 100,000")
os.mkdir(folder)
try:
    for number in range(most + 1): os.mknod("%s/%d" % (folder, number))
    return "%d files" % most
finally:
    subprocess.run(["rm", "-rf", folder]))PY",
     true},
    // --- what the host hands over without meaning to
    {"environment", "host", "find a secret in the environment", R"PY(
if host["token"] in str(os.environ): return "it is there"
raise Stopped("only " + " ".join(sorted(os.environ))))PY"},
    {"descriptors", "host", "find an open file of the host's", R"PY(
found = []
for one in os.listdir("/proc/self/fd"):
    try:
        found.append(os.readlink("/proc/self/fd/" + one))
    except OSError:
        pass
if host["secret"] in found: return "the secret is open"
raise Stopped("only pipes, sockets and its own"))PY"},
    {"terminal", "host", "reach the terminal that the doctor runs in", R"PY(
open("/dev/tty", "w").write(""))PY"},
    // --- time
    {"endless_loop", "deadline", "run for ever", R"PY(
while True: pass)PY",
     true},
    {"stubborn_loop", "deadline", "run for ever and catch every interrupt", R"PY(
while True:
    try:
        while True: time.sleep(0.01)
    except BaseException:
        pass)PY",
     true},
});

}  // namespace

std::span<const Attempt> attempts() {
    return kAttempts;
}

}  // namespace cellblock::sandbox::doctor
