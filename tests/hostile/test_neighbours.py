"""Cells that use up what they can reach, and what others notice of it: nothing.

While a cell attacks, its own kernel answers on the control channel, another session's cells run, and the sandbox holds
no more memory than its policy allows.
"""

import pathlib
import time

import pytest
from support import kernels, leftovers

MIB = 1 << 20
MEMORY = 400 * MIB
HOST = 150 * MIB  # the kernel, the supervisor and Python's own code, beside what the policy counts
PATIENCE = 20.0   # a busy machine's; a kernel that waits for its sandbox never answers

LIMITS = {"cell_time": "1500ms", "grace_time": "300ms", "memory": "400MiB", "processes": 60, "disk": "16MiB",
          "output": "2MiB"}

FOREVER = "\nimport time\ntime.sleep(100)"

ATTACKS = {
    "processes": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "processes_that_end": "import os\nwhile True:\n    try:\n        if os.fork() == 0: os._exit(0)\n    except OSError: pass",
    "programs": "import subprocess\nall = []\nwhile True:\n    try: all.append(subprocess.Popen(['yes'], stdout=-3))\n"
                "    except OSError: pass",
    "threads": "import threading, time\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n"
               "    except RuntimeError: pass",
    "threads_that_burn": "import threading\ndef burn():\n    while True: pass\nfor _ in range(20): threading.Thread(target=burn, daemon=True).start()",
    "one_large_block": "x = b'x' * (10 << 30)",
    "blocks_in_many_processes": "import os\nfor _ in range(20):\n    if os.fork() == 0:\n        x = bytearray(b'x') * (100 << 20)\n        break" + FOREVER,
    "mapped_memory": "import mmap\nall = []\nwhile True:\n    all.append(mmap.mmap(-1, 64 << 20))\n    for at in range(0, 64 << 20, 4096): all[-1][at] = 1",
    "memory_files": "import ctypes, os\nfd = ctypes.CDLL(None).memfd_create(b'm', 0)\nfor _ in range(2000): os.write(fd, bytes(1 << 20))",
    "shared_memory": "import os\nfd = os.open('/dev/shm/x', os.O_CREAT | os.O_RDWR)\nfor _ in range(2000): os.write(fd, bytes(1 << 20))",
    "files_in_memory": "import os\nfor n in range(2000):\n    with open('/tmp/%d' % n, 'wb') as f: f.write(bytes(1 << 20))",
    "inodes": "import os\nfor n in range(10**7): os.mkdir('/tmp/d%d' % n)",
    "one_deep_folder": "import os\nos.chdir('/tmp')\nwhile True:\n    os.mkdir('d'); os.chdir('d')",
    "descriptors": "import os\nall = []\nwhile True: all.append(os.open('/dev/null', 0))",
    "descriptors_of_many_processes": "import os\nfor _ in range(50):\n    if os.fork() == 0: break\ntry:\n    while True: os.open('/dev/null', 0)\nexcept OSError: pass" + FOREVER,
    "buffers_of_pipes": "import fcntl, os\nall = []\nwhile True:\n    r, w = os.pipe(); all += [r, w]; os.set_blocking(w, False)\n"
                        "    try: fcntl.fcntl(w, 1031, 1 << 20)\n    except OSError: pass\n    try:\n        while True: os.write(w, bytes(65536))\n    except BlockingIOError: pass",
    "buffers_of_sockets": "import socket\nall = []\nwhile True:\n    pair = socket.socketpair(); all.append(pair); pair[0].setblocking(False)\n"
                          "    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 26)\n    try:\n        while True: pair[0].send(bytes(65536))\n    except BlockingIOError: pass",
    "descriptors_in_flight": "import array, os, socket\nfd = os.open('/dev/null', 0)\nall = []\nwhile True:\n    pair = socket.socketpair(); all.append(pair); pair[0].setblocking(False)\n"
                             "    try:\n        while True: pair[0].sendmsg([b'x'], [(1, 1, array.array('i', [fd] * 200))])\n    except OSError: pass",
    "watches": "import ctypes\nc = ctypes.CDLL(None)\nfor n in range(200): c.inotify_init()\nfor n in range(10**6): c.inotify_add_watch(n % 200 + 10, b'/tmp', 0xfff)",
    "timers": "import ctypes\nc = ctypes.CDLL(None)\nt = ctypes.c_void_p()\nfor _ in range(10**6): c.timer_create(1, None, ctypes.byref(t))",
    "locks": "import fcntl, os\nf = open('/tmp/l', 'w')\nfor n in range(10**6): fcntl.lockf(f, fcntl.LOCK_EX, 1, n * 2)",
    "queues": "import ctypes\nc = ctypes.CDLL(None)\nfor n in range(10**5): c.mq_open(b'/q%d' % n, 0o102, 0o600, None); c.msgget(0, 0o1600); c.semget(0, 250, 0o1600)",
    "signals_to_itself": "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)\nwhile True: os.kill(os.getpid(), signal.SIGUSR1)",
    "signals_that_wait": "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [40])\nimport ctypes\nc = ctypes.CDLL(None)\nwhile True: c.sigqueue(os.getpid(), 40, 0)",
    "signals_to_the_first_process": "import os\nwhile True:\n    for n in range(1, 32):\n        try: os.kill(1, n)\n        except OSError: pass",
    "questions_without_end": "while True: input('?')",
    "a_million_display_ids": "for n in range(10**6): display(n, display_id=str(n))",
    "updates_without_end": "h = display('x', display_id=True)\nwhile True: h.update('x')",
    "clearing_without_end": "from IPython.display import clear_output\nwhile True: clear_output()",
    "text_without_end": "while True: print('x' * 1000)",
    "text_of_the_shell_without_end": "!yes",
    "figures_without_end": "import matplotlib.pyplot as plt\nwhile True: plt.plot([1]); plt.show()",
    "errors_without_end": "while True:\n    try: 1 / 0\n    except Exception: get_ipython().showtraceback()",
    "comms_without_end": "from ipykernel.comm import Comm\nall = []\nwhile True: all.append(Comm('jupyter.widget', data={'x': 'y' * 1000}))",
    "pages_without_end": "while True: get_ipython().set_next_input('x' * 10000); get_ipython().payload_manager.write_payload({'source': 'page', 'data': {'text/plain': 'x' * 10000}}, single=False)",
    "tasks_without_end": "import asyncio\nasync def again():\n    asyncio.create_task(again()); asyncio.create_task(again())\nawait again()\nawait asyncio.sleep(100)",
    "a_compiler_at_work": "compile('(' * 80 + ')' * 80, '', 'eval'); eval('-' * 10**6 + '1')",
    "a_large_number": "len(str(9 ** 9 ** 8))",
    "a_search_that_explodes": "import re; re.match('(a*)*b', 'a' * 40)",
    "a_large_text": "class R:\n    def __repr__(self): return 'x' * (300 << 20)\nR()",
    "nested_values": "x = []\nfor _ in range(10**6): x = [x]\nx",
    "reading_without_end": "open('/dev/zero', 'rb').read()",
    "randomness_without_end": "import os\nwhile True: os.getrandom(1 << 24)",
    "switching_processors": "import os\nwhile True: os.sched_yield()",
}


@pytest.fixture(scope="module")
def pair(module_place):
    """Two sessions: the attacker's and another's."""
    policy = module_place.policy("attackers", limits=LIMITS, outputs={"comms": ["jupyter.widget"]})
    both = [None, kernels.Kernel(module_place)]

    def attacker():
        if both[0] is None or not both[0].alive():
            both[0] = kernels.Kernel(module_place, policy=policy)
        both[0].client.log.clear()
        both[0].client.on_input = lambda _: "x"
        both[1].client.log.clear()
        return both

    yield attacker
    left = {}
    for one in both:
        left.update(one.stop() if one else {})
    assert not left, "outlived the kernel: %s" % left


def memory_below(pid):
    """What all processes below hold, each shared page counted once; bytes."""
    total = 0
    for child in leftovers.descendants(pid):
        try:
            text = pathlib.Path("/proc/%d/smaps_rollup" % child).read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def run_after_attack(attacker, code):
    """One cell that follows a death may be told of it."""
    run = attacker.client.run(code)
    return run.ok() if run.status == "ok" else attacker.client.run(code).ok()


@pytest.mark.parametrize("name", ATTACKS)
def test_nobody_else_notices(pair, name):
    attacker, other = pair()
    request = attacker.client.execute(ATTACKS[name])
    attacker.client.first(request, "status")
    answers, memory, end = [], [], time.monotonic() + 1.2
    while time.monotonic() < end or len(answers) < 9:
        begin = time.monotonic()
        attacker.client.fence("control", timeout=PATIENCE)
        answers.append(time.monotonic() - begin)
        assert other.client.run("6 * 7", timeout=PATIENCE).ok().result == "42"
        memory.append(memory_below(attacker.pid))
    run = attacker.client.finish(request)
    assert run.states == ["busy", "idle"]
    assert sorted(answers)[len(answers) // 2] < 1.0, answers
    assert max(memory) < MEMORY + HOST, [one // MIB for one in memory]
    assert attacker.peak_memory() < HOST
    assert run_after_attack(attacker, "6 * 7").result == "42"


def test_a_thread_left_behind_takes_no_one_elses_processor(pair):
    attacker, other = pair()
    run_after_attack(attacker, "%%timeout 120\n" + ATTACKS["threads_that_burn"])  # they slow its end, too
    begin = time.monotonic()
    for _ in range(10):
        assert other.client.run("sum(range(1000))", timeout=PATIENCE).ok()
    assert time.monotonic() - begin < PATIENCE
    assert attacker.client.run("6 * 7").states == ["busy", "idle"]
