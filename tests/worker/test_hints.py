"""The line that says the policy is why, and which key."""

import pytest

CASES = {
    "open('/home/somebody/data.csv')": "files",
    "open('data.csv')": "files",
    "open('/no-such-folder/x', 'w')": "files",
    "raise PermissionError(13, 'no', '/etc/shadow')": "files",
    "raise OSError(30, 'Read-only file system', '/usr/x')": "files",
    "import socket; raise socket.gaierror(-3, 'Temporary failure')": "network",
    "raise OSError(101, 'Network is unreachable')": "network",
    "import socket\ns = socket.socket()\ns.connect(('127.0.0.1', 1))": "network",
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1/')": "network",
    "class S:\n    def connect(self): raise PermissionError(1, 'Operation not permitted')\ns = S()\ndef g(): s.connect()\ntry: g()\nexcept PermissionError as e: raise e": None,
    "raise MemoryError": "limits.memory",
    "import os; raise BlockingIOError(11, 'Resource temporarily unavailable')": "limits.processes",
    "raise RuntimeError(\"can't start new thread\")": "limits.processes",
    "raise OSError(28, 'No space left on device')": "limits.disk",
    "raise OSError(122, 'quota')": "limits.disk",
    "raise OSError(27, 'File too large')": "limits.disk",
    "import not_a_module_at_all": "python",
    "try:\n    raise OSError(101, 'unreachable')\nexcept OSError as e:\n    raise ValueError('wrapped') from e": "network",
    "1/0": None,
    "open('/tmp/not-there')": None,
    "import subprocess; subprocess.run(['no-such-program'])": None,
    "raise ValueError('x')": None,
    "raise KeyError('x')": None,
}


@pytest.mark.parametrize("code", CASES)
def test_hint(host, code):
    host.execute("import os; os.chdir('/')")
    result = host.execute(code)
    assert result.status == "error"
    lines = [line for line in result.error["traceback"] if line.startswith("cellblock: ")]
    if CASES[code] is None:
        if "connect" not in code:
            assert lines == []
        return
    assert len(lines) == 1 and lines[0] == result.error["traceback"][-1]
    assert lines[0].endswith('(policy "default", key %s)' % CASES[code]), lines
    assert "\n" not in lines[0]


def test_files_that_are_shown_need_no_hint(fresh):
    host = fresh(files="/work, /data")
    assert "cellblock" not in str(host.execute("open('/data/missing')").error)
    assert "only /work, /data" in str(host.execute("open('/home/missing')").error)
