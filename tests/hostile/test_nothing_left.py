"""However a session ends, nothing of it is left: no process, no cgroup."""

import json
import os
import signal
import textwrap

import pytest
from jails import family, leftovers, nothing_left


@pytest.mark.parametrize("victim", ["host", "supervisor", "first process"])
def test_kill_9_leaves_nothing(host, victim):
    process = host.start()
    process.stdin.write(textwrap.dedent("""
        import os, signal, time
        os.setsid() if os.getpid() != os.getsid(0) else None
        if os.fork() == 0:
            for number in range(1, 32):
                try: signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError): pass
            time.sleep(600)
        while True: pass
    """))
    process.stdin.close()
    try:
        line = family(process)
        os.kill(line[["host", "supervisor", "first process"].index(victim)], signal.SIGKILL)
        if victim == "host":
            process.wait(5)
            assert nothing_left(host), leftovers(host)
        else:
            out = process.stdout.read()
            result = json.loads(out)
            assert result["status"] != "ok", result
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    assert nothing_left(host), leftovers(host)


def test_an_ordinary_end_leaves_nothing(host):
    host.out("import os\nfor _ in range(5):\n    if os.fork() == 0:\n        os.setsid(); import time; time.sleep(600)")
    assert nothing_left(host), leftovers(host)
