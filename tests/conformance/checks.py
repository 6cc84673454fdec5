"""The checks: one function each, given a Bench. Each is small, and asks what every engine must give."""

import json
import os
import signal
import socket
import subprocess
import time

from support import kernels, leftovers
from support.brokers import Server, echo, http
from support.certificates import Authority
from support.commands import Commands
from support.files import Files

from . import bench

PLOT = ("%%timeout 60\nimport matplotlib\nmatplotlib.rcParams['svg.hashsalt'] = 'x'\nimport matplotlib.pyplot as plt\n"
        "plt.plot([1, 4, 9]); plt.title('same everywhere'); plt.show()")


def outputs(it):
    run = it.client.run("import sys\nprint('out'); print('err', file=sys.stderr)\n6 * 7").ok()
    assert (run.stdout, run.stderr, run.result) == ("out\n", "err\n", "42")
    many = it.client.run("for i in range(20000): print(i)").ok()
    assert many.stdout.split() == [str(i) for i in range(20000)]
    assert it.client.run("1 / 0").content["ename"] == "ZeroDivisionError"


def last_words(it):
    """What a worker wrote before its end arrives, and before the word of its end."""
    run = it.client.run("import os\nprint('x' * 300000, flush=True)\nos._exit(3)")
    assert run.content["ename"] == "WorkerDied" and "3" in run.content["evalue"]
    assert len(run.stdout) >= 300000


def figures(it):
    run = it.client.run(PLOT).ok()
    shown = run.of("display_data")
    assert len(shown) == 1 and "image/png" in shown[0].content["data"]
    it.remember("figure", bench.pixels(shown[0].content["data"]["image/png"]))


def stdin(it):
    it.client.on_input = lambda request: "Ada" if request.content["prompt"] == "name? " else None
    assert it.client.run("input('name? ') + '!'").ok().result == "'Ada!'"
    it.client.on_input = None


def completion(it):
    it.client.run("import collections").ok()
    request = it.client.send("shell", "complete_request", {"code": "collections.Ord", "cursor_pos": 15})
    content = it.client.first(request, "complete_reply").content
    it.client.finish(request)
    assert any("OrderedDict" in match for match in content["matches"])


def interrupt(it):
    it.client.run("kept = 1").ok()
    request = it.client.execute("print('going', flush=True)\nwhile True: pass")
    it.client.first(request, "stream")
    it.client.send("control", "interrupt_request")
    reply = it.client.first(request, "execute_reply")
    it.client.finish(request)
    assert reply.content["ename"] == "KeyboardInterrupt", reply.content
    assert it.client.run("kept").result == "1"


def rung_interrupt(it):
    it.client.run("kept = 1").ok()
    run = it.timed("while True: pass")
    assert run.content["ename"] == "CellTimeout" and "variables are intact" in run.content["evalue"], run.content
    assert it.client.run("kept").result == "1"


def rung_worker(it):
    run = it.timed("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass")
    assert run.content["ename"] == "CellTimeout" and "variables are lost" in run.content["evalue"], run.content
    assert it.client.run("1").result == "1"


def rung_sandbox(it):
    """The way inside hangs: nothing that is sent arrives any more."""
    it.client.run("1").ok()
    it.need_a_way()
    request = it.client.execute("while True: pass")
    time.sleep(0.5)
    stopped = it.stop_the_way()
    try:
        reply = it.client.first(request, "execute_reply")
    finally:
        leftovers.send(signal.SIGCONT, stopped)
    it.client.finish(request)
    assert reply.content["ename"] == "CellTimeout" and "variables are lost" in reply.content["evalue"], reply.content
    assert it.client.run("1").result == "1"


def memory(it):
    run = it.client.run("%%timeout 30\ndata = []\nwhile True: data.append(bytearray(16 << 20))")
    assert run.content["ename"] in ("MemoryError", "MemoryLimit"), run.content
    it.client.run("data = None").ok()


MANY = """%%timeout 60
import os, signal, time
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        data = bytearray(100 << 20)
        for i in range(0, len(data), 4096): data[i] = 1
        time.sleep(30); os._exit(0)
    children.append(pid)
ended = []
while not ended:
    time.sleep(0.05)
    ended = [(pid, status) for pid, status in (os.waitpid(one, os.WNOHANG) for one in children) if pid]
for one in children:
    if one not in dict(ended): os.kill(one, signal.SIGKILL); os.waitpid(one, 0)
os.waitstatus_to_exitcode(ended[0][1])
"""


def memory_of_many(it):
    """800 MiB in eight processes: one at least is killed."""
    run = it.client.run(MANY)
    died = run.status == "error" and run.content["ename"] in ("MemoryLimit", "MemoryError", "WorkerDied")
    assert died or run.result in ("-9", "1"), (run.content, run.result)


def memory_limit(it):
    """Shared memory, which no limit of a process counts: the worker is killed, and the error names the limit."""
    run = it.client.run("%%timeout 60\nimport mmap\nwhole = mmap.mmap(-1, 2 << 30)\n"
                        "for i in range(0, 2 << 30, 4096): whole[i] = 1")
    assert run.status == "error" and run.content["ename"] == "MemoryLimit", run.content
    assert it.client.run("1").result == "1"
    for folder in (os.getcwd(), it.place.root / "work"):  # a kernel's folder, and a daemon's
        assert "oom" not in os.listdir(folder), "Podman's conmon has left a file in the user's folder"


def processes(it):
    """A limit on them ends the making of more, or (where the engine itself is short of some then) the sandbox."""
    run = it.client.run("%%timeout 60\nimport subprocess\nmade = []\ntry:\n    while len(made) < 300:\n"
                        "        made.append(subprocess.Popen(['sleep', '30']))\nexcept OSError:\n"
                        "    print('stopped')\nfor one in made: one.kill(); one.wait()")
    assert run.stdout == "stopped\n" or (run.status == "error" and run.content["ename"] == "WorkerDied"), \
        (run.content, run.stdout)
    assert it.client.run("1").result == "1"


def disk(it):
    run = it.client.run("import os\ntotal = 0\ntry:\n    for n in range(40):\n        with open('/tmp/fill-%d' % n, 'wb') as f:\n"
                        "            total += f.write(bytes(1 << 20))\nexcept OSError as error:\n"
                        "    print(error.errno, total <= 16 << 20)\n"
                        "for n in range(40):\n    if os.path.exists('/tmp/fill-%d' % n): os.remove('/tmp/fill-%d' % n)")
    assert run.stdout == "28 True\n", (run.content, run.stdout)


def root_is_read_only(it):
    run = it.client.run("for path in ('/planted', '/usr/planted', '/etc/planted'):\n    try:\n"
                        "        open(path, 'w'); print('wrote', path)\n    except OSError: pass").ok()
    assert run.stdout == ""


def network(it):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.2)
        run = it.client.run("import socket\ntry:\n    print(socket.create_connection(('127.0.0.1', %d), 3))\n"
                            "except OSError: print('none')\n"
                            "try:\n    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('198.51.100.1', 53))\n"
                            "    print(s.getsockname())\nexcept OSError: print('none')" % listener.getsockname()[1]).ok()
        assert run.stdout == "none\nnone\n", run.stdout


TUNNEL = """%%timeout 60
import hashlib, os, socket, threading, time
def tunnel(target, patience=10):
    end = time.monotonic() + patience
    while True:
        client, head = tunnel_once(target)
        if ' 503 ' not in head or time.monotonic() > end: return client, head
        time.sleep(0.1)
def tunnel_once(target):
    client = socket.create_connection(('127.0.0.1', 3128), 20)
    client.sendall(b'CONNECT ' + target.encode() + b' HTTP/1.1\\r\\n\\r\\n')
    head = b''
    while not head.endswith(b'\\r\\n\\r\\n') and (byte := client.recv(1)): head += byte
    return client, head.decode()
def whole(client):
    data = b''
    while piece := client.recv(65536): data += piece
    return data
def echoed(target, data):
    client, head = tunnel(target)
    assert ' 200 ' in head, head
    def send():
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    back = whole(client)
    sender.join()
    client.close()
    return hashlib.sha256(back).digest() == hashlib.sha256(data).digest()
"""
MOST = 6  # connections at a time


def network_by_list(it):
    """Hosts of the network that the policy allows, and no others."""
    log = it.place.root / "work" / "audit-network.jsonl"
    log.unlink(missing_ok=True)
    with Server(echo, ("127.0.0.2", 0)) as tunnelled, Server(http, ("127.0.0.2", 0)) as plain, Server(http, ("127.0.0.2", 0)) as other:
        allow = ["127.0.0.2:%d" % one.port for one in (tunnelled, plain)]
        it.restart(network={"allow": allow, "connections": MOST, "bytes_out": "100MiB"}, audit=str(log))
        run = it.client.run("%%%%timeout 60\nimport urllib.request\nurllib.request.urlopen('http://%s/page', timeout=20).read().split()[1]" % allow[1]).ok()
        assert run.result == "b'http://%s/page'" % allow[1] or run.result == "b'/page'", run.result
        run = it.client.run("%%%%timeout 60\nimport urllib.request\nurllib.request.urlopen('http://127.0.0.2:%d/', timeout=20)" % other.port)
        assert "network.allow" in run.content["evalue"] + "".join(run.content["traceback"]) and not other.seen, run.content
        run = it.client.run(TUNNEL + "print(tunnel('127.0.0.2:%d')[1], tunnel('evil.example:443')[1])" % other.port).ok()
        assert run.stdout.count("HTTP/1.1 403") == 2 and "network.allow" in run.stdout and not other.seen, run.stdout
        no_other_way(it, plain)
        carries_much(it, allow[0])
        bounded_number(it, allow[0])
        dies_with_connections_open(it, allow[0])
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        told = [one for one in lines if "connection" in one]
        assert {(one["connection"], one["verdict"]) for one in told} >= {("127.0.0.2", "allowed"), ("127.0.0.2", "refused"), ("evil.example", "refused")}
        assert max(one["bytes_in"] for one in told) == max(one["bytes_out"] for one in told) == 6 << 20
        checked = subprocess.run([kernels.PROGRAM, "audit", "verify", str(log)], capture_output=True, text=True, timeout=30)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        held_when_the_kernel_dies(it, allow[0])


def network_secrets(it):
    """A header that the broker writes: the host's certificate is judged outside, the session's is trusted inside."""
    folder = it.place.root / "work" / "certificates"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    hosts = Authority(folder)
    context = hosts.server("IP:127.0.0.2")

    def serve(client):
        with context.wrap_socket(client, server_side=True) as secure:
            told = b"right" if b"\r\nX-Key: conformance-key\r\n" in secure.recv(65536) else b"wrong"
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + told)

    with Server(serve, ("127.0.0.2", 0)) as server:
        target = "127.0.0.2:%d" % server.port
        it.variables = {"CONFORMANCE_KEY": "conformance-key", "SSL_CERT_FILE": hosts.path}
        it.restart(network={"allow": [{"host": target, "paths": ["/v1/"], "header": {"X-Key": {"secret": "CONFORMANCE_KEY"}}}]})
        it.variables = {}
        fetch = "%%%%timeout 60\nimport os, urllib.request\nurllib.request.urlopen('https://%s%s', timeout=20).read(), os.environ.get('CONFORMANCE_KEY')"
        assert it.client.run(fetch % (target, "/v1/a")).ok().result == "(b'right', None)"
        assert "network.allow" in "".join(it.client.run(fetch % (target, "/other")).content["traceback"])
    it.stop()


def no_other_way(it, server):
    before = len(server.seen)
    run = it.client.run("%%%%timeout 60\nimport socket\nfor how in (lambda: socket.create_connection(('127.0.0.2', %d), 3),"
                        " lambda: socket.create_connection(('127.0.0.1', %d), 3), lambda: socket.getaddrinfo('allowed.example', 80),"
                        " lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.1', 53))):\n"
                        "    try: print(how())\n    except OSError: print('none')" % (server.port, server.port)).ok()
    assert run.stdout == "none\n" * 4 and len(server.seen) == before, run.stdout


def carries_much(it, target):
    run = it.client.run(TUNNEL + "print(echoed(%r, b'no TLS' + os.urandom((6 << 20) - 6)))" % target).ok()
    assert run.stdout == "True\n", run.stdout
    run = it.client.run(TUNNEL + "done = []\n"
                        "each = [threading.Thread(target=lambda: done.append(echoed(%r, b'no TLS' + os.urandom(1 << 20)))) for _ in range(%d)]\n"
                        "for one in each: one.start()\nfor one in each: one.join()\nprint(done.count(True))" % (target, MOST)).ok()
    assert run.stdout == "%d\n" % MOST, run.stdout


def bounded_number(it, target):
    """As many as the policy says; one more is told why, and there is room again afterwards, for hundreds one after another."""
    run = it.client.run(TUNNEL + "held = [tunnel(%r) for _ in range(%d)]\nprint({head.split()[1] for _, head in held})\n"
                        "print(tunnel(%r, 0)[1])\nfor one, _ in held: one.close()\n"
                        "print(all(echoed(%r, b'x' * n) for n in range(150)))" % (target, MOST, target, target)).ok()
    assert run.stdout.startswith("{'200'}\nHTTP/1.1 503 ") and "network.connections" in run.stdout and run.stdout.endswith("True\n"), run.stdout


def dies_with_connections_open(it, target):
    run = it.client.run(TUNNEL + "held = [tunnel(%r) for _ in range(3)]\nos._exit(1)" % target)
    assert run.content["ename"] == "WorkerDied", run.content
    run = it.client.run(TUNNEL + "print(echoed(%r, b'no TLS' + os.urandom(100000)))" % target).ok()
    assert run.stdout == "True\n", run.stdout


def held_when_the_kernel_dies(it, target):
    it.client.run(TUNNEL + "held = [tunnel(%r) for _ in range(3)]" % target).ok()
    tree = it.tree()
    assert any("cellblock-helper broker" in leftovers.command_line(pid) for pid in tree)
    os.kill(it.kernel.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 20), \
        [leftovers.command_line(pid) for pid in leftovers.living(tree)]
    it.forget()


def privileges(it):
    run = it.client.run("status = dict(l.split(':', 1) for l in open('/proc/self/status') if ':' in l)\nimport os\n"
                        "print(int(status['CapEff'], 16), int(status['CapPrm'], 16), status.get('NoNewPrivs', '1').strip(),"
                        " status['Seccomp'].strip())").ok()
    assert run.stdout == "0 0 1 2\n", run.stdout


def calls(it):
    """What the filter judges by arguments, whoever set up the sandbox."""
    run = it.client.run("import ctypes, errno, os\nlibc = ctypes.CDLL(None, use_errno=True)\npair = (ctypes.c_int * 2)()\n"
                        "def told(result): return 'done' if result >= 0 else errno.errorcode[ctypes.get_errno()]\n"
                        "print({told(libc.socketpair(family, kind, 0, pair)) for family in range(2, 46) for kind in (1, 2, 3, 5)})\n"
                        "fd = os.open('/usr/bin/env', os.O_RDONLY)\n"
                        "print({told(libc.fcntl(fd, *command)) for command in ((1024, 0), (1026, 1), (8, 1), (10, 9))})\n"
                        "print(told(libc.inotify_init()), told(libc.inotify_add_watch(fd, b'/usr/bin', 0xfff)), libc.fsync(fd))").ok()
    assert run.stdout == "{'EAFNOSUPPORT'}\n{'EPERM'}\nENOSYS ENOSYS 0\n", run.stdout


def proc(it):
    """Of /proc there are a sandbox's own processes, and what programs need to know of the machine."""
    run = it.client.run("import os\nshown = []\n"
                        "for name in os.listdir('/proc'):\n    path = '/proc/' + name\n    if name.isdigit() or os.path.islink(path): continue\n"
                        "    try:\n        if os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1): shown.append(name)\n"
                        "    except OSError: pass\n"
                        "print(*sorted(shown))").ok()
    assert set(run.stdout.split()) <= SHOWN_OF_PROC, set(run.stdout.split()) - SHOWN_OF_PROC
    assert {"cpuinfo", "meminfo", "stat"} <= set(run.stdout.split())


SHOWN_OF_PROC = {"cgroups", "cpuinfo", "diskstats", "filesystems", "loadavg", "locks", "meminfo", "partitions", "pressure", "stat",
                 "swaps", "sys", "sysvipc", "tty", "uptime", "version", "vmstat", "zoneinfo"}


def terminals(it):
    """One sandbox leaves some for the others."""
    run = it.client.run("import os\nheld = []\ntry:\n    while len(held) < 500: held.append(os.open('/dev/ptmx', os.O_RDWR))\n"
                        "except OSError: pass\nprint(len(held))\nfor fd in held: os.close(fd)\n"
                        "import pty, subprocess\nleader, follower = pty.openpty()\n"
                        "subprocess.run(['echo', 'seen'], stdout=follower, check=True)\nprint(os.read(leader, 100))").ok()
    count, text = run.stdout.splitlines()
    assert 16 <= int(count) <= 64 and text == "b'seen\\r\\n'", run.stdout


def shown_pipe(it):
    """A folder that is shown to be read may hold a FIFO, which no read-only mount protects."""
    folder = it.place.root / "work" / "shown-pipe"
    it.place.file("shown-pipe/data.txt", "from the host")
    pipe = folder / "pipe"
    if not pipe.exists():
        os.mkfifo(pipe)
    os.chmod(pipe, 0o666)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        it.restart(files=[{"host": str(folder), "sandbox": "/data", "mode": "read"}])
        run = it.client.run("import os\nprint(open('/data/data.txt').read())\nfor flags in (os.O_WRONLY, os.O_RDWR):\n    try:\n"
                            "        print('opened', os.open('/data/pipe', flags | os.O_NONBLOCK))\n"
                            "    except OSError as error: print(type(error).__name__)").ok()
        assert run.stdout == "from the host\nPermissionError\nPermissionError\n", run.stdout
    finally:
        os.close(reader)
    it.stop()


def secret_file(it):
    secret = it.place.file("secret.txt", "hidden treasure")
    run = it.client.run("try:\n    print(open(%r).read())\nexcept OSError: print('no file')" % str(secret)).ok()
    assert run.stdout == "no file\n", run.stdout


def environment(it):
    """Neither in its own variables nor in those of any process that it sees."""
    run = it.client.run("import os\nprint([n for n in os.environ if 'CONFORMANCE' in n])\nfound = []\n"
                        "for pid in os.listdir('/proc'):\n    try:\n"
                        "        if pid.isdigit() and b'CONFORMANCE' in open('/proc/%s/environ' % pid, 'rb').read(): found.append(pid)\n"
                        "    except OSError: pass\nprint(found)").ok()
    assert run.stdout == "[]\n[]\n", run.stdout


def death(it):
    run = it.client.run("import os; os.kill(os.getpid(), 11)")
    assert run.content["ename"] == "WorkerDied", run.content
    assert it.client.run("1").result == "1"


def children_die(it):
    """What a killed worker started is gone with it."""
    it.client.run("import os, subprocess\nsubprocess.Popen(['sleep', '4321'], start_new_session=True)\nos._exit(1)")
    it.client.run("1").ok()
    count = it.client.run("import glob\nfound = 0\nfor p in glob.glob('/proc/[0-9]*/cmdline'):\n    try: "
                          "found += b'sleep\\x004321' in open(p, 'rb').read()\n    except OSError: pass\nfound")
    assert count.result == "0"


def lost_connection(it):
    """Whatever stands between is killed: an error that says so, and the next cell has a new sandbox."""
    it.client.run("1").ok()
    it.need_a_way()
    it.kill_the_way()
    run = it.client.run("1")
    if run.status == "error":  # the end came in the cell's midst
        assert "sandbox" in (run.content["ename"] + run.content["evalue"]).lower(), run.content
    assert it.client.run("2").result == "2"


def restart_forgets(it):
    it.client.run("kept = 1; open('kept.txt', 'w').close()").ok()
    it.restart()
    assert it.client.run("import os\n'kept' in globals(), os.path.exists('kept.txt')").result == "(False, False)"


def overlay(it):
    """The notebook's folder: read, written, and unchanged on the host."""
    it.place.file("shown/data.txt", "from the host")
    it.place.file("shown/deep/er.py", "VALUE = 42")
    it.restart(files=[{"host": str(it.place.root / "work" / "shown"), "sandbox": "/work", "mode": "overlay"}])
    run = it.client.run("import sys\nsys.path.insert(0, 'deep')\nimport er\nprint(open('data.txt').read(), er.VALUE)\n"
                        "open('data.txt', 'w').write('changed')\nprint(open('data.txt').read())").ok()
    assert run.stdout == "from the host 42\nchanged\n", run.stdout
    assert (it.place.root / "work" / "shown" / "data.txt").read_text() == "from the host"
    it.stop()


def files(it):
    """In and out by the client, also while a cell runs."""
    it.restart()
    ours = Files(it.client, "control")
    data = bytes(range(256)) * 4000
    assert ours.ok("write", data, path="in/data.bin")["size"] == len(data)
    run = it.client.run("%%timeout 60\ndata = open('in/data.bin', 'rb').read()\nopen('out.bin', 'wb').write(data[::-1])\nlen(data)").ok()
    assert run.result == str(len(data))
    assert ours.ok("read", path="out.bin")["bytes"] == data[::-1]
    assert {one["name"]: one["type"] for one in ours.ok("list")["entries"]}.items() >= {"in": "folder", "out.bin": "file"}.items()
    cell = it.client.execute("%%timeout 60\nimport os, time\nprint('on', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.05)")
    it.client.first(cell, "stream")
    ours.ok("write", text="", path="go")
    assert it.client.finish(cell).status == "ok"


def disk_of_files(it):
    ours = Files(it.client)
    assert "limits.disk" in ours.fill("fill", 4 << 20)
    ours.ok("remove", path="fill")


def commands(it):
    """Programs beside the cells: streams as bytes, input, a terminal, a time, signals."""
    it.restart()
    ours = Commands(it.client)
    done = ours.run(line="printf 'a\\377'; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.exit_code) == (b"a\xff", b"err\n", 3)
    it.client.run("open('a.txt', 'w').write('one two');").ok()
    assert ours.run("python", "-c", "print(len(open('a.txt').read().split()))").stdout == b"2\n"
    cell = it.client.execute("%%timeout 60\nimport os, time\nprint('on', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.05)")
    it.client.first(cell, "stream")
    request, number = ours.begin("sh", "-c", "cat > go", input=True)
    data = bytes(range(256)) * 2000
    assert ours.ask({"id": number, "do": "input", "end": True}, [data]) == []
    assert ours.end((request, number)).exit_code == 0 and it.client.finish(cell).status == "ok"
    assert it.client.run("open('go', 'rb').read() == bytes(range(256)) * 2000").result == "True"
    assert b"30 90" in ours.run("stty", "size", terminal=True, rows=30, columns=90).stdout
    late = ours.run("sleep", "100", timeout=0.5)
    assert (late.exit_code, late.timed_out) == (124, True)
    sleeping = ours.begin("sleep", "100")
    it.client.first(sleeping[0], "status")
    assert ours.ask({"id": sleeping[1], "do": "signal", "signal": 15}) == [] and ours.end(sleeping).signal == 15


def killed_owner(it):
    """kill -9 of the kernel: its processes, folders, groups and containers go."""
    it.client.run("import subprocess; subprocess.Popen(['sleep', '1234'])").ok()
    tree = it.tree()
    os.kill(it.kernel.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 20), \
        [leftovers.command_line(pid) for pid in leftovers.living(tree)]
    it.forget()


CHECKS = [outputs, last_words, figures, stdin, completion, interrupt, rung_interrupt, rung_worker, rung_sandbox, memory,
          memory_of_many, memory_limit, processes, disk, root_is_read_only, network, network_by_list, network_secrets, privileges, calls, proc, terminals, shown_pipe,
          secret_file, environment, death, children_die,
          lost_connection, restart_forgets, overlay, files, disk_of_files, commands, killed_owner]
