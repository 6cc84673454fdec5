"""System calls, devices and special files: what a cell could ask the kernel for, and is refused."""

import signal

import pytest


def test_no_network(host):
    assert host.value("""
        import json, socket
        failed = []
        for address in (("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80)):
            try: socket.create_connection(address, timeout=2); failed.append(False)
            except OSError: failed.append(True)
        with open('/proc/net/dev') as file:
            devices = [line.split(':')[0].strip() for line in file if ':' in line]
        print(json.dumps([failed, 'lo' in devices]))
    """) == [[True, True, True], True]


def test_loopback_inside_works(host):
    assert "pong" in host.out("""
        import asyncio
        async def serve(reader, writer):
            writer.write(b'pong'); await writer.drain(); writer.close()
        server = await asyncio.start_server(serve, '127.0.0.1', 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        print(await reader.read())
    """)


def test_no_capability_and_no_new_privileges(host):
    status = dict(line.split(":\t", 1) for line in host.out("print(open('/proc/self/status').read())").splitlines()
                  if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"


def test_the_system_is_read_only(host):
    failures = host.value("""
        import json, os
        failed = []
        for path in ('/x', '/usr/x', '/etc/x', '/usr/bin/x', '/opt/cellblock/python/x', '/dev/x', '/proc/sys/kernel/hostname'):
            try: open(path, 'w').write('x'); failed.append(path)
            except OSError: pass
        print(json.dumps(failed))
    """)
    assert failures == []


CALLS = """
    import ctypes, errno, json, os, platform
    libc = ctypes.CDLL(None, use_errno=True)
    def errno_of(result): return 'done' if result >= 0 else errno.errorcode[ctypes.get_errno()]
    numbers = {'x86_64': dict(mount=165, umount2=166, pivot_root=155, unshare=272, setns=308, bpf=321,
                              io_uring_setup=425, userfaultfd=323, perf_event_open=298, keyctl=250, ptrace=101,
                              process_vm_readv=310, open_by_handle_at=304, reboot=169, init_module=175,
                              chroot=161, clone3=435, fsopen=430, move_mount=429, mount_setattr=442, quotactl=179,
                              process_vm_writev=311, settimeofday=164, kexec_load=246, swapon=167, acct=163,
                              syslog=103, personality=135, iopl=172, ioperm=173, sethostname=170, mseal=462,
                              statmount=457, pidfd_getfd=438, name_to_handle_at=303, add_key=248,
                              request_key=249, fanotify_init=300, move_pages=279, memfd_secret=447),
               'aarch64': dict(mount=40, umount2=39, pivot_root=41, unshare=97, setns=268, bpf=280,
                               io_uring_setup=425, userfaultfd=282, perf_event_open=241, keyctl=219, ptrace=117,
                               chroot=51, clone3=435, fsopen=430, reboot=142, mseal=462)}[platform.machine()]
    results = {}
    for name, number in numbers.items():
        results[name] = errno_of(libc.syscall(number, 0x10000000 if name == 'unshare' else 0, 0, 0, 0, 0))
    for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        results['clone %x' % flag] = errno_of(libc.syscall({'x86_64': 56, 'aarch64': 220}[platform.machine()],
                                                           flag | 17, 0, 0, 0, 0))
    print(json.dumps(results))
"""


def test_dangerous_system_calls_are_refused(host):
    for name, result in host.value(CALLS).items():
        assert result in ("EPERM", "ENOSYS"), (name, result)


def test_sockets_but_local_and_internet_ones_are_refused(host):
    assert host.value("""
        import json, socket
        made = []
        for family in range(0, 46):
            try: socket.socket(family, socket.SOCK_DGRAM).close(); made.append(family)
            except OSError: pass
        for kind in (socket.SOCK_RAW,):
            try: socket.socket(socket.AF_INET, kind, 1).close(); made.append('raw')
            except OSError: pass
        print(json.dumps(made))
    """) in ([1, 2, 10], [1, 2])


ARGUMENTS = """
    import ctypes, errno, json, mmap, os, platform, socket
    libc = ctypes.CDLL(None, use_errno=True)
    def told(result): return 0 if result >= 0 else errno.errorcode[ctypes.get_errno()]
    pair = (ctypes.c_int * 2)()
    results = {'pairs': [], 'made': 0}
    for family in range(64):
        for kind in (1, 2, 3, 4, 5, 6, 10):
            for protocol in (0, 1, 6, 12, 17, 132, 136, 255, 262, 0x300):
                if libc.socketpair(family, kind, protocol, pair) == 0: results['pairs'].append([family, kind, protocol])
    results['pair'] = len(socket.socketpair()) + len(socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    fd = os.open('/usr/bin/env', os.O_RDONLY)
    own = os.open('own', os.O_RDWR | os.O_CREAT)
    commands = {'SETLEASE': (1024, 0), 'SETLEASE to write': (1024, 1), 'NOTIFY': (1026, -2147483648 | 0x3f), 'SETOWN': (8, 1),
                'SETSIG': (10, 9), 'SETOWN_EX': (15, 0)}
    results['fcntl'] = {name: told(libc.fcntl(one, *command)) for name, command in commands.items() for one in (fd, own)}
    results['watch'] = [told(libc.inotify_init()), told(libc.inotify_init1(0)), told(libc.inotify_add_watch(own, b'/usr/bin', 0xfff)),
                        told(libc.fanotify_init(0, 0))]
    read, write = os.pipe()
    end = os.sysconf('SC_PAGE_SIZE')
    libc.mmap.restype = ctypes.c_void_p
    shared = libc.mmap(None, end, 1, 1, fd, 0)
    results['undone'] = [libc.fsync(read), libc.fdatasync(read), libc.sync_file_range(read, 0, 0, 2), libc.syncfs(-1),
                         libc.posix_fadvise(-1, 0, 0, 4), libc.msync(ctypes.c_void_p(shared), end, 4), libc.msync(ctypes.c_void_p(end), end, 4)]
    results['unmapped'] = told(libc.msync(ctypes.c_void_p(end), end, 1))
    results['processor'] = [told(libc.syscall(158, one, 0)) for one in (0x1012, 0x2001, 0x5004, 0x4002)] if platform.machine() == 'x86_64' else []
    print(json.dumps(results))
"""


def test_calls_are_judged_by_their_arguments(host):
    results = host.value(ARGUMENTS)
    assert results["pairs"] and all(family == 1 and kind in (1, 2, 5) for family, kind, _ in results["pairs"])
    assert results["pair"] == 4
    assert set(results["fcntl"].values()) == {"EPERM"}, results["fcntl"]
    assert results["watch"] == ["ENOSYS", "ENOSYS", "ENOSYS", "EPERM"]
    assert set(results["undone"]) == {0} and results["unmapped"] == "ENOMEM"  # as libunwind asks
    assert set(results["processor"]) <= {"EPERM"}, "whatever the processor can do"


def test_foreign_call_conventions_end_the_process(host):
    result = host.run("""
        import ctypes, os, platform
        if platform.machine() != 'x86_64': raise SystemExit('skip')
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).syscall(0x40000000 + 39); os._exit(0)
        print(os.waitpid(pid, 0)[1])
    """)
    if result["status"] != "ok":
        pytest.skip("not on this machine")
    assert result["stdout"].strip() in (str(int(signal.SIGSYS)), str(int(signal.SIGSYS) | 128))


def test_of_proc_there_is_what_is_known_to_be_needed(host):
    """And nothing else, so that what a newer kernel brings is hidden too."""
    shown, tasks = host.value("""
        import json, os
        shown = []
        for base, folders, names in os.walk('/proc'):
            if base == '/proc':
                tasks = [name for name in folders if name.isdigit()]
                folders[:] = [name for name in folders if not name.isdigit() and not os.path.islink('/proc/' + name)]
            for name in names:
                try:
                    with open(os.path.join(base, name), 'rb') as file:
                        if file.read(16): shown.append(os.path.join(base, name)[6:])
                except OSError: pass
        print(json.dumps([shown, tasks]))
    """)
    known = {"cgroups", "cpuinfo", "diskstats", "filesystems", "loadavg", "locks", "meminfo", "mounts", "partitions", "pressure",
             "stat", "swaps", "sys", "sysvipc", "tty", "uptime", "version", "vmstat", "zoneinfo"}
    assert {name.partition("/")[0] for name in shown} <= known and {"cpuinfo", "meminfo"} <= set(shown) and "1" in tasks


def test_one_sandbox_leaves_terminals_for_the_others(host):
    assert host.value("""
        import json, os, pty
        held = []
        try:
            while len(held) < 500: held.append(os.open('/dev/ptmx', os.O_RDWR))
        except OSError: pass
        count = len(held)
        for fd in held: os.close(fd)
        leader, follower = pty.openpty()
        os.write(follower, b'seen')
        print(json.dumps([count, os.read(leader, 10).decode()]))
    """) == [64, "seen"]


def test_devices_are_few_and_setuid_is_void(host):
    value = host.value("""
        import json, os
        devices = sorted(os.listdir('/dev'))
        flags = {line.split()[1]: line.split()[3].split(',') for line in open('/proc/self/mounts')}
        print(json.dumps([devices, [where for where, options in flags.items() if 'nosuid' not in options]]))
    """)
    assert set(value[0]) == {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "fd", "stdin",
                             "stdout", "stderr", "shm"} or set(value[0]) == {
                                 "null", "zero", "full", "random", "urandom", "pts", "ptmx", "fd", "stdin", "stdout",
                                 "stderr", "shm"}
    assert value[1] == []
