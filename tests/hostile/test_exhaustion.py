"""Cells that use up memory, processes, disk: each has its bound, and the host lives."""

import resource
import subprocess
import textwrap
import time

import pytest
from jails import PYTHON, as_user, family, has_memory_cgroup, nothing_left


def test_memory(host):
    error = host.run("x = bytearray(3 << 30)")["error"]
    assert error["ename"] == "MemoryError"


def test_memory_in_small_parts_and_the_host_lives(host):
    result = host.run("parts = []\nwhile True: parts.append(bytearray(1 << 20))")
    assert result["status"] in ("error", "killed") and result["error"]["ename"] in ("MemoryError", "MemoryLimit")


def test_memory_of_many_processes(host):
    result = host.run("""
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                x = bytearray(b'x') * (400 << 20); time.sleep(5); os._exit(0)
        dead = sum(os.WIFSIGNALED(os.wait()[1]) for _ in range(8))
        print('dead', dead)
    """)
    assert result["status"] != "ok" or int(result["stdout"].split()[-1]) >= 5, result


def test_a_fork_bomb_is_bounded(host):
    result = host.run("""
        import os, time
        children = 0
        try:
            while children < 5000:
                if os.fork() == 0: time.sleep(60); os._exit(0)
                children += 1
        except OSError as error: print(children, error)
    """)
    assert result["status"] == "ok" and int(result["stdout"].split()[0]) <= 128, result


def test_a_fork_bomb_that_never_stops_ends_at_the_deadline(host):
    result = host.run("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "--timeout", "3s")
    assert result["status"] in ("timeout", "killed"), result
    assert nothing_left(host)


def test_threads_count_as_processes(host):
    result = host.run("""
        import threading, time
        threads = []
        try:
            for _ in range(1000):
                thread = threading.Thread(target=time.sleep, args=(2,)); thread.start(); threads.append(thread)
        except (RuntimeError, MemoryError): print(len(threads))
    """)
    assert result["status"] == "ok" and 0 < int(result["stdout"]) <= 128, result


@pytest.mark.parametrize("where", ["/tmp", "/var/tmp", "/work", "/home/cell", "/dev/shm"])
def test_disk(host, where):
    written = int(host.out(f"""
        written = 0
        try:
            for number in range(10):
                with open({where!r} + '/file%d' % number, 'wb', buffering=0) as file:
                    for _ in range(64):
                        written += file.write(bytes(1 << 20))
        except OSError: pass
        print(written >> 20)
    """, policy={"limits": {"disk": "100MiB"}}))
    assert 90 <= written <= 100


def test_the_disk_limit_is_of_the_sum_of_folders(host):
    assert host.value("""
        import json
        written = {}
        for where in ('/tmp', '/work', '/dev/shm'):
            written[where] = 0
            try:
                with open(where + '/f', 'wb', buffering=0) as file:
                    for _ in range(40): written[where] += file.write(bytes(1 << 20)) >> 20
            except OSError: pass
        print(json.dumps(sum(written.values()) <= 100))
    """, policy={"limits": {"disk": "100MiB"}})


def test_number_of_files(host):
    made = int(host.out("""
        made = 0
        try:
            for made in range(200000): open('/tmp/%d' % made, 'w').close()
        except OSError: pass
        print(made)
    """))
    assert made <= 70000


IN_FLIGHT = {
    "many_processes": "import os\nfor _ in range(20):\n    if os.fork() == 0: break\nfill()",
    "sockets_in_sockets": "fill(lambda: socket.socket())",
}


@pytest.mark.parametrize("name", IN_FLIGHT)
def test_descriptors_in_flight(host, name):
    """Linux counts them for the user of the host, and compares with the sender's limit on files."""
    process = host.start("--timeout", "60s")
    process.stdin.write(textwrap.dedent("""
        import array, os, socket, time
        def fill(make=lambda: open('/dev/null')):
            one, sockets, sent = make(), [], 0
            try:
                while True:
                    pair = socket.socketpair(); sockets.append(pair); pair[0].setblocking(False)
                    for _ in range(5): pair[0].sendmsg([b'x'], [(1, 1, array.array('i', [one.fileno()] * 200))])
            except OSError: pass
            time.sleep(40)
    """) + IN_FLIGHT[name])
    process.stdin.close()
    try:
        family(process)
        time.sleep(2)
        low = ["prlimit", "--nofile=1024:%d" % resource.getrlimit(resource.RLIMIT_NOFILE)[1]]
        send = "import array, socket; s = socket.socketpair(); s[0].sendmsg([b'x'], [(1, 1, array.array('i', [0]))])"
        subprocess.run(as_user(host.user, [*low, PYTHON, "-c", send]), check=True)
        for _ in range(2):
            done = subprocess.run(low + host.argv(), input="print(6 * 7)", capture_output=True, text=True,
                                  env=host.environment(), cwd=host.folder, timeout=90, check=False)
            assert '"stdout":"42\\n"' in done.stdout, done
    finally:
        process.kill()
        process.wait()
        process.stdout.close(), process.stderr.close()


def test_memory_in_the_buffers_of_connections(host):
    """Which a control group of version 1 doesn't count as memory; the host's programs share net.ipv4.tcp_mem."""
    result = host.run("""
        import os, socket, time
        out, into = os.pipe(); os.set_blocking(out, False)
        for _ in range(3):
            if os.fork() == 0:
                held, every, server = 0, [], socket.create_server(('127.0.0.1', 0), backlog=100)
                try:
                    for _ in range(300):
                        one = socket.create_connection(server.getsockname()); other = server.accept()[0]
                        every += [one, other]; one.setblocking(False)
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
                        try:
                            while True: held += one.send(bytes(1 << 20))
                        except OSError: pass
                except OSError: pass
                os.write(into, b'%d %d\\n' % (os.getpid(), held)); time.sleep(20); os._exit(0)
        time.sleep(4)
        os.close(into); gone = set()
        try:
            while (pid := os.waitpid(-1, os.WNOHANG)[0]): gone.add(pid)
        except ChildProcessError: pass  # all of them
        told = [line.split() for line in os.read(out, 4096).splitlines()]
        print(sum(int(held) for pid, held in told if int(pid) not in gone) >> 20)
    """, policy={"limits": {"memory": "100MiB"}})
    assert result["status"] == "killed" or (result["status"] == "ok" and int(result["stdout"]) < 50), result


# What is held without being any process's resident memory. Each prints how many MiB, if it comes to that.
UNSEEN = {
    "shared_pages": """
        at = c.mmap(None, 300 << 20, 3, 0x21, -1, 0)
        if at == c.failed: raise PermissionError
        for n in range(0, 300, 4): c.memset(at + (n << 20), 65, 4 << 20); c.madvise(at + (n << 20), 4 << 20, 4)
        held = 300""",
    "shared_zeros": """
        at = c.mmap(None, 300 << 20, 3, 0x01, os.open('/dev/zero', os.O_RDWR), 0)
        if at == c.failed: raise PermissionError
        for n in range(0, 300, 4): c.memset(at + (n << 20), 65, 4 << 20); c.madvise(at + (n << 20), 4 << 20, 4)
        held = 300""",
    "pages_of_many_maps": """
        import mmap
        every = []
        while held < 300: every.append(mmap.mmap(-1, 4 << 20)); every[-1][:] = bytes(4 << 20); held += 4; every[-1].madvise(4)""",
    "sockets_of_many_processes": """
        for _ in range(40):
            if os.fork() == 0: fill(); time.sleep(20); os._exit(0)
        time.sleep(3)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]: every.append(1)
        except ChildProcessError: pass
        held = 50 * (40 - len(every))""",
    "connections_that_nobody_accepts": """
        server = socket.socket(1); server.bind('/tmp/s'); server.listen(4096)
        for _ in range(3000):
            one = socket.socket(1); one.setblocking(False); one.connect('/tmp/s')
            try:
                while True: held += one.send(bytes(65536))
            except OSError: pass
        held >>= 20""",
    "tables_of_pages": """
        for _ in range(6):
            at = c.mmap(None, 50_000 << 21, 1, 0x4022, -1, 0)
            if at == c.failed: break
            for n in range(50_000): ctypes.string_at(at + (n << 21), 1)
            held += 195""",
}


@pytest.mark.parametrize("name", UNSEEN)
def test_memory_that_is_no_process_s_own(host, name):
    """Where no control group counts it: refused, or counted by the warden."""
    if host.user == "root":
        pytest.skip("a control group counts it")
    result = host.run("""
        import ctypes, os, socket, time
        c = ctypes.CDLL(None); c.mmap.restype = ctypes.c_void_p; c.failed = 2**64 - 1
        c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
        c.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        c.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        held, every = 0, []
        def fill(total=0):
            try:
                while True:
                    pair = socket.socketpair(); every.append(pair); pair[0].setblocking(False)
                    pair[0].setsockopt(1, 7, 1 << 24)
                    try:
                        while True: total += pair[0].send(bytes(65536))
                    except BlockingIOError: pass
            except OSError: return total
        """ + UNSEEN[name] + """
        time.sleep(1.5)
        print(held)
    """, policy={"limits": {"memory": "100MiB", "disk": "50MiB"}})
    refused = result["status"] == "error" and result["error"]["ename"] in ("PermissionError", "OSError", "MemoryLimit")
    assert refused or result["status"] == "killed" or (result["status"] == "ok" and int(result["stdout"]) < 50), result


def test_shared_memory_and_connections_work_all_the_same(host):
    assert host.value("""
        import json, mmap, os, socket, threading
        shared = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        if os.fork() == 0: shared[:4] = b'told'; os._exit(0)
        os.wait()
        server = socket.create_server(('127.0.0.1', 0))
        def send():
            with socket.create_connection(server.getsockname()) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22); one.sendall(bytes(20 << 20))
        threading.Thread(target=send).start()
        with server.accept()[0] as other: size = sum(iter(lambda: len(other.recv(1 << 16)), 0))
        zeros = open('/dev/zero', 'rb').read(1 << 20)
        print(json.dumps([shared[:4].decode(), len(shared), isinstance(shared, mmap.mmap), size, len(zeros)]))
    """) == ["told", 1 << 20, True, 20 << 20, 1 << 20]


def test_a_share_of_processors(host):
    if not has_memory_cgroup(host):
        pytest.skip("no cgroup for this user: the share isn't limited")
    used = float(host.out("""
        import os, time
        start = time.time(); pids = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                while time.time() < start + 2: pass
                os._exit(0)
            pids.append(pid)
        for pid in pids: os.waitpid(pid, 0)
        import resource
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime / (time.time() - start))
    """, policy={"limits": {"cpus": 0.5}}))
    assert used < 0.75
