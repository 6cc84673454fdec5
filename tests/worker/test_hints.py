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
    assert "../missing is /missing here" in str(host.execute("import os; os.chdir('/data' if os.path.isdir('/data') else '/tmp'); "
                                                             "open('../missing')").error)
    assert "only /work, /data" in str(host.execute("open('/home/missing')").error)


OLD = "import os, builtins, io; os.uname = lambda: type('', (), {'release': '%s'}); "
MOUNTS = ("kept = open\nbuiltins.open = lambda *a, **k: io.StringIO('a / overlay rw 0 0\\n') if a[0] == '/proc/self/mounts' else kept(*a, **k)\n")


@pytest.mark.parametrize("release, about, told", [
    ("6.1.0-50-cloud-amd64", ", 'sub'", True), ("5.15.0-1-generic", ", 'sub'", True), ("6.6.1", ", 'sub'", False),
    ("6.12.117+deb13", ", 'sub'", False), ("6.1.0", "", False), ("6.1.0", ", '/usr/bin/env'", False)])
def test_a_folder_that_an_overlay_cant_mark_as_removed(fresh, release, about, told):
    error = str(fresh().execute(OLD % release + MOUNTS + "raise OSError(5, 'Input/output error'%s)" % about).error)
    assert ("that takes Linux 6.6, and this is " + release in error and "key files" in error) is told, error


def test_a_link_that_leads_out_of_what_is_shown(fresh, tmp_path):
    (tmp_path / "data").symlink_to("/somewhere/else")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    host = fresh(files=str(tmp_path))
    told = str(host.execute("open('data/x.csv')").error)
    assert "data/x.csv is a link to /somewhere/else/x.csv" in told and "key files" in told


@pytest.mark.parametrize(("link", "text", "shown"), [
    ("data", "%s/srv/data", "%s/srv/data"), ("in/deep/data", "../../%s/srv/data", "%s/srv/data"), ("data", "/srv/data", "/srv/data"),
])
def test_the_entry_that_would_show_where_a_link_leads(fresh, tmp_path, link, text, shown):
    """The same link must lead there on the host as in the sandbox."""
    up = "/".join([".."] * (len(tmp_path.parts) - 1))  # from the working directory to the root
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to(text.replace("%s", up))
    host = fresh(files=str(tmp_path), working_directory=str(tmp_path))
    told = str(host.execute("open('%s/x.csv')" % (tmp_path / link)).error)
    entry = '{"host": "%s", "sandbox": "/srv/data"}' % shown.replace("%s", up)
    assert "an entry such as %s shows it" % entry in told, told


@pytest.mark.parametrize("number", [30, 13])
def test_writing_to_what_may_only_be_read(fresh, tmp_path, number):
    host = fresh(files=str(tmp_path), read_only=[str(tmp_path)])
    told = str(host.execute("raise OSError(%d, 'no', 'new.csv')" % number).error)
    assert "may read %s and not change it" % tmp_path in told and "key files" in told


def test_a_program_that_needs_a_network(host):
    for command in ("curl http://example.org", "cd /tmp && /usr/bin/wget x", "git clone https://example.org/x"):
        told = host.execute("!%s || exit 7" % command).stderr
        assert "key network" in told and told.count("cellblock: ") == 1, told
    for command in ("echo curl; false", "git status; false", "curl --version || true"):
        assert "cellblock: " not in host.execute("!" + command).stderr


def test_c_code_that_ends_the_process_for_lack_of_threads(fresh):
    """As OpenBLAS does. What it wrote isn't lost."""
    host = fresh()
    cell = host.begin("import resource, os, ctypes\nos.write(2, b'no thread\\n')\n"
                      "import _thread\ndef refuse(*_): raise RuntimeError(\"can't start new thread\")\n"
                      "_thread.start_new_thread = refuse\nctypes.CDLL(None).exit(1)")
    told = ""
    while True:
        frame = host.read()
        if frame is None:
            break
        told += frame.get("text", "")
    assert "no thread\n" in told and "key limits.processes" in told
    assert host.worker_exited()["exit_status"] == 1 and cell == 1
