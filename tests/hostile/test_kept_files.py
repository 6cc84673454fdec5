"""What the host keeps of a cell's files: whatever the cell names, links, exchanges or grows, nothing else is touched."""

import hashlib
import os
import pathlib
import subprocess
import time

import pytest

KEEP = {"sandbox": "/work", "mode": "empty"}


@pytest.fixture
def results(host):
    """keep(code, **rules): (what `cellblock run` tells, {name: bytes of what lies in the folder})."""
    to = host.folder / "results"
    to.mkdir()
    host.give(to)

    def keep(code, limits=None, **rules):
        policy = {"files": [{**KEEP, "keep": {"to": str(to), **rules}}], "limits": limits or {}}
        told = host.run(code, policy=policy)
        return told, {str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()}

    keep.folder = to
    return keep


def reasons(told):
    return {one["name"]: one["reason"] for one in told["files_not_kept"]}


# --- what is kept

def test_data_is_kept_and_told_of(results):
    told, there = results("open('a.csv', 'w').write('1,2')\nimport os; os.makedirs('out/deep'); open('out/deep/b.txt', 'w').write('x')")
    assert there == {"a.csv": b"1,2", "out/deep/b.txt": b"x"}
    assert told["files_not_kept"] == []
    files = {one["name"]: one for one in told["files"]}
    assert files["a.csv"]["mime"] == "text/csv" and files["a.csv"]["size"] == 3
    assert files["a.csv"]["sha256"] == hashlib.sha256(b"1,2").hexdigest()
    assert pathlib.Path(files["out/deep/b.txt"]["path"]) == results.folder / "out/deep/b.txt"


@pytest.mark.parametrize("end", ["1 / 0", "import os; os.kill(os.getpid(), 9)"])
def test_a_cell_that_fails_or_dies_has_its_files_kept(results, end):
    told, there = results("open('a.csv', 'w').write('1')\n" + end)
    assert told["status"] != "ok" and there == {"a.csv": b"1"}


def test_files_of_a_sandbox_that_is_killed_are_kept(host, results):
    code = "open('a.csv', 'w').write('1')\nimport os\nwhile True:\n    try: x = bytearray(1 << 22); y = [x] + globals().get('y', [])\n" \
           "    except MemoryError: os._exit(1)"
    told, there = results(code)
    assert told["status"] != "ok" and there == {"a.csv": b"1"}


@pytest.mark.parametrize("first", ["pass", "os.mkdir('d')", "os.symlink('/etc', 'l')", "open('x.py', 'w').write('1')", "open('.x', 'w').write('1')"])
@pytest.mark.parametrize("then", ["open('a.csv', 'w').write('1')",
                                  "before = os.stat('.')\nopen('a.csv', 'w').write('1')\nos.utime('.', ns=(before.st_atime_ns, before.st_mtime_ns))",
                                  "open('.a', 'w').write('1'); os.rename('.a', 'a.csv')",
                                  "os.makedirs('d', exist_ok=True); open('d/a.csv', 'w').write('1'); os.utime('.', (0, 0))",
                                  "import threading\nthreading.Timer(0.3, lambda: open('a.csv', 'w').write('1')).start()\n# %%\nimport time; time.sleep(1)"])
def test_a_file_that_comes_after_cells_without_any_is_kept(results, first, then):
    """A folder without anything to keep isn't looked through again until it changes."""
    _, there = results("import os\n%s\n# %%%%\npass\n# %%%%\nimport time; time.sleep(0.05)\n# %%%%\n%s" % (first, then))
    assert {pathlib.Path(name).name: text for name, text in there.items()} == {"a.csv": b"1"}


def test_they_have_no_more_rights_than_usual(results):
    results("import os; os.umask(0); open('a.csv', 'w').write('1'); os.chmod('a.csv', 0o4777)\n"
            "try: os.setxattr('a.csv', 'user.mark', b'1')\nexcept OSError: pass")
    path = results.folder / "a.csv"
    assert path.stat().st_mode & 0o7777 == 0o644
    assert os.listxattr(path) == []


NEVER = ["a.py", "a.ipynb", ".bashrc", "Makefile", "conftest.py", "a.pth", "a.pkl", "a.sh", "a.html", "package.json",
         "requirements.txt", "jupyter_server_config.json", "a.PY", ".a.csv", "Dockerfile.txt", "setup.cfg"]


def test_what_could_run_later_isnt_kept_by_whatever_pattern_matches_it(results):
    code = "for name in %r: open(name, 'w').write('x')" % NEVER
    assert results(code, patterns=["*"])[1] == {}
    assert sorted(results(code, patterns=["*.py", "makefile"])[1]) == ["Makefile", "a.PY", "a.py", "conftest.py"]


def test_folders_that_tools_look_into_stay_inside(results):
    code = ("import os\nfor name in ('evil.dist-info', 'node_modules/x', 'lib/site-packages', 'out'):\n    os.makedirs(name)\n"
            "    open(name + '/entry_points.txt', 'w').write('[pytest11]')\n")
    told, there = results(code)
    assert sorted(there) == ["out/entry_points.txt"] and len(told["files_not_kept"]) == 3


def test_folders_that_begin_with_a_dot_stay_inside(results):
    told, there = results("import os\nfor name in ('.git', '.git/hooks', 'out/.ssh'): os.makedirs(name)\n"
                          "for name in ('.git/a.csv', '.git/hooks/b.csv', 'out/.ssh/c.csv', 'out/d.csv'): open(name, 'w').write('x')")
    assert there == {"out/d.csv": b"x"} and told["files_not_kept"] == []


# --- what is never overwritten

def test_a_file_that_no_cell_made_stays_as_it_is(host, results):
    (results.folder / "data.csv").write_text("yours")
    told, there = results("open('data.csv', 'w').write('mine')")
    assert there == {"data.csv": b"yours", "data (2).csv": b"mine"}
    assert told["files"][0]["name"] == "data.csv" and told["files"][0]["path"].endswith("/data (2).csv")
    told, there = results("open('data.csv', 'w').write('mine, changed')")
    assert there == {"data.csv": b"yours", "data (2).csv": b"mine, changed"}


def test_what_a_cell_made_a_later_session_may_overwrite_until_you_change_it(results):
    assert results("open('a.csv', 'w').write('1')")[1] == {"a.csv": b"1"}
    assert results("open('a.csv', 'w').write('22')")[1] == {"a.csv": b"22"}
    (results.folder / "a.csv").write_text("yours")
    assert results("open('a.csv', 'w').write('333')")[1] == {"a.csv": b"yours", "a (2).csv": b"333"}


def test_a_file_that_is_the_same_already_is_let_be(results):
    path = results.folder / "a.csv"
    path.write_text("same")
    before = path.stat()
    told, there = results("open('a.csv', 'w').write('same')")
    assert there == {"a.csv": b"same"} and told["files"] == [] and path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("what", ["link", "dangling", "folder", "fifo"])
def test_whatever_else_has_the_name_stays_as_it_is(host, results, what):
    place, other = results.folder / "a.csv", host.folder / "other"
    other.write_text("yours")
    if what == "link":
        place.symlink_to(other)
    elif what == "dangling":
        place.symlink_to(host.folder / "none")
    elif what == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    before = os.lstat(place)
    results("open('a.csv', 'w').write('mine')")
    after = os.lstat(place)
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert other.read_text() == "yours" and not (host.folder / "none").exists()
    assert (results.folder / "a (2).csv").read_text() == "mine"


def test_a_link_in_the_folder_leads_nowhere(host, results):
    outside = host.folder / "outside"
    outside.mkdir()
    host.give(outside)
    (results.folder / "out").symlink_to(outside)
    told, _ = results("import os; os.mkdir('out'); open('out/a.csv', 'w').write('x')")
    assert os.listdir(outside) == [] and "out/a.csv" in reasons(told)


# --- what isn't what it seems

def test_what_is_no_plain_file_isnt_kept(host, results):
    (host.folder / "secret.csv").write_text("secret")
    told, there = results("""
        import os, socket
        os.symlink('/etc/passwd', 'link.csv'); os.symlink(%r, 'out.csv'); os.symlink('/proc/1/environ', 'proc.txt')
        os.mkfifo('fifo.csv')
        s = socket.socket(socket.AF_UNIX); s.bind('socket.csv')
        os.symlink('/', 'root'); os.symlink('..', 'up')
        open('one.csv', 'w').write('x'); os.link('one.csv', 'two.csv')
        open('good.csv', 'w').write('good')
    """ % str(host.folder / "secret.csv"))
    assert there == {"good.csv": b"good"}, there
    assert set(reasons(told)) == {"one.csv", "two.csv"}
    assert all("hard links" in reasons(told)[name] for name in ("one.csv", "two.csv"))


def test_sizes_and_numbers_have_bounds(results):
    told, there = results("""
        open('big.csv', 'wb').truncate(1 << 40)
        open('large.csv', 'wb').write(b'x' * 3000)
        for n in range(30): open('n%02d.csv' % n, 'w').write('x' * 500)
    """, limits={"disk": "2TiB"}, size="2KiB", total="8KiB", count=20)
    assert "keep.size" in reasons(told)["big.csv"] and "keep.size" in reasons(told)["large.csv"]
    assert sum(len(one) for one in there.values()) <= 8192 and len(there) == len(told["files"]) == 16
    assert any("keep.total" in one for one in reasons(told).values())
    assert len(told["files_not_kept"]) == 16


def test_more_files_than_may_be(results):
    told, there = results("for n in range(30): open('n%02d.csv' % n, 'w').write('x')", count=5)
    assert len(there) == 5 and len(told["files_not_kept"]) == 20
    assert "keep.count" in told["files_not_kept"][0]["reason"] and told["files_not_kept"][-1]["reason"] == "and 6 more"


def test_a_hundred_thousand_names_hold_nobody_up(results):
    began = time.monotonic()
    told, there = results("""
        import os
        open('a.csv', 'w').write('x')
        try:
            for n in range(10 ** 6): os.close(os.open('f%06d.bin' % n, os.O_CREAT))
        except OSError: pass
    """)
    assert time.monotonic() - began < 60
    assert told["status"] == "ok" and len(told["files_not_kept"]) <= 20


def test_a_deep_folder_holds_nobody_up(results):
    told, there = results("import os\nopen('a.csv', 'w').write('x')\nfor n in range(2000): os.mkdir('d'); os.chdir('d'); open('a.csv', 'w')")
    assert len(there) <= 17 and b"x" in there.values()
    assert any("looked through" in one["reason"] for one in told["files_not_kept"])


NAMES = [b"a\nb.csv", b"\xff.csv", b"a\x1b[31m.csv", "a\u202ecsv.csv".encode(), b"-rf.csv", b" a.csv", b"a.csv ", b"..csv", b"a.csv.",
         "\u200b.csv".encode(), b"a\\b.csv", b"a\x7f.csv", b"n" * 210 + b".csv"]


def test_names_that_mislead_are_counted_and_not_shown(results):
    told, there = results("import os\nfor name in %r:\n    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))\nopen('ä ö (1).csv', 'w').write('x')"
                          % NAMES)
    assert there == {"ä ö (1).csv": b"x"}
    assert [one["reason"] for one in told["files_not_kept"] if not one["name"]] == ["%d names can't be shown" % (len(NAMES) - 1)]


def test_names_that_differ_in_case_are_two(results):
    assert results("open('A.csv', 'w').write('1'); open('a.csv', 'w').write('2')")[1] == {"A.csv": b"1", "a.csv": b"2"}


def test_a_file_that_is_locked_holds_nobody_up(results):
    began = time.monotonic()
    told, there = results("""
        import fcntl, os, signal
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        file = open('a.csv', 'w'); file.write('x'); file.flush()
        for lock in (lambda: fcntl.flock(file, fcntl.LOCK_EX), lambda: fcntl.lockf(file, fcntl.LOCK_EX),
                     lambda: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)):
            try: lock()
            except OSError: pass
        open('b.csv', 'w').write('y')
    """)
    assert time.monotonic() - began < 30 and there["b.csv"] == b"y" and there.get("a.csv", b"x") == b"x", told


@pytest.mark.both_users
def test_what_cant_be_read_is_told(host, results):
    told, there = results("import os\nopen('a.csv', 'w').write('x'); os.chmod('a.csv', 0)\n"
                          "os.mkdir('in'); open('in/b.csv', 'w').write('x'); os.chmod('in', 0)\nopen('c.csv', 'w').write('x')")
    assert there["c.csv"] == b"x"
    if host.user != "root":
        assert "Permission denied" in reasons(told)["a.csv"] and sorted(there) == ["c.csv"]
        assert any("can't be read" in one["reason"] for one in told["files_not_kept"])


def test_a_file_of_yours_where_a_folder_would_be(results):
    (results.folder / "out").write_text("yours")
    told, there = results("import os; os.mkdir('out'); open('out/a.csv', 'w').write('x'); open('b.csv', 'w').write('y')")
    assert there == {"out": b"yours", "b.csv": b"y"} and "out/a.csv" in reasons(told)


def test_names_that_the_host_would_give_itself(results):
    (results.folder / "a.csv").write_text("yours")
    told, there = results("open('a.csv', 'w').write('1'); open('a (2).csv', 'w').write('2'); open('a (3).csv', 'w').write('3')")
    assert there.pop("a.csv") == b"yours" and sorted(there.values()) == [b"1", b"2", b"3"]
    paths = {one["name"]: one["path"] for one in told["files"]}
    assert {name: pathlib.Path(path).read_text() for name, path in paths.items()} == {"a.csv": "1", "a (2).csv": "2", "a (3).csv": "3"}


def test_a_hundred_files_of_yours_with_such_names(results):
    for number in range(1, 100):
        (results.folder / ("a.csv" if number == 1 else "a (%d).csv" % number)).write_text("yours")
    told, there = results("open('a.csv', 'w').write('mine')")
    assert set(there.values()) == {b"yours"} and "too many files" in reasons(told)["a.csv"]


def test_a_full_disk_leaves_nothing_by_halves(host, results):
    if os.geteuid() != 0:
        pytest.skip("mounting a filesystem that is full needs root")
    # In a mount namespace of its own, as other tests look whether a mount has come. The daemon doesn't answer from there.
    host.warm = False
    full = 'mount -t tmpfs -o size=64k,mode=0777 none "$0" && "$@"; ended=$?; ls -A "$0" > "$0.listed"; exit $ended'
    plain = host.argv
    host.argv = lambda *options, **more: ["unshare", "--mount", "sh", "-c", full, str(results.folder), *plain(*options, **more)]
    told, _ = results("open('a.csv', 'wb').write(b'x' * (1 << 20)); open('b.csv', 'w').write('y')")
    assert "No space left" in reasons(told)["a.csv"]
    assert (host.folder / "results.listed").read_text() == "b.csv\n"


@pytest.mark.parametrize("code", [
    "import os; os.chdir('/'); os.rename('/work', '/work2')", "import shutil; shutil.rmtree('/work', ignore_errors=True)",
    "import os; [os.close(fd) for fd in range(3, 64)]", "import os; os.kill(-1, 9)", "raise SystemExit", "exit(0)",
    "import os\nfor _ in range(50):\n    if os.fork() == 0:\n        while True: open('z.bin', 'w').write('x')",
])
def test_whatever_else_a_cell_does_at_its_end(results, code):
    told, there = results("open('a.csv', 'w').write('x')\n" + code)
    assert set(there) <= {"a.csv"} and set(there.values()) <= {b"x"}, told


def test_attributes_and_times_are_the_hosts_own(results):
    began = time.time()
    results("import os\nopen('a.csv', 'w').write('x'); os.utime('a.csv', (1, 1))\n"
            "try: os.setxattr('a.csv', 'system.posix_acl_access', bytes.fromhex('0200000001000700ffffffff'))\nexcept OSError: pass")
    info = (results.folder / "a.csv").stat()
    assert info.st_mtime > began - 5 and info.st_nlink == 1 and os.listxattr(results.folder / "a.csv") == []


# --- while the host looks

RACER = """
import os, threading, time
def race():
    while True:
        try: %s
        except OSError: pass
for _ in range(2): threading.Thread(target=race, daemon=True).start()
time.sleep(0.3)
"""


@pytest.mark.parametrize("step", [
    "os.symlink('/etc/passwd', 'l'); os.rename('l', 'a.csv'); open('f', 'w').write('x'); os.rename('f', 'a.csv')",
    "os.makedirs('d1', exist_ok=True); open('d1/a.csv', 'w').write('x'); os.rename('d1', 'out'); os.symlink('/', 'l'); "
    "os.rename('out', 'd1'); os.rename('l', 'out'); os.unlink('out')",
    "os.mkfifo('f'); os.rename('f', 'a.csv'); open('g', 'w').write('x'); os.rename('g', 'a.csv')",
    "open('a.csv', 'a').write('x' * 65536); os.truncate('a.csv', 0)",
    "open('h', 'w').write('x'); os.link('h', 'a.csv'); os.unlink('h'); os.unlink('a.csv')",
])
def test_what_is_exchanged_meanwhile_leads_nowhere(host, results, step):
    for _ in range(3):
        told, there = results(RACER % step)
        assert told["status"] == "ok"
        for content in there.values():
            assert set(content) <= set(b"x"), content[:100]
    assert not [path for path in results.folder.rglob("*") if path.is_symlink() or path.name.startswith(".cellblock")]


def test_a_file_that_grows_for_ever_is_kept_as_it_was(results):
    told, there = results("""
        import threading, time
        file = open('a.csv', 'wb', 0)
        def grow():
            while True: file.write(b'x' * 4096)
        threading.Thread(target=grow, daemon=True).start()
        time.sleep(0.2)
    """, size="64MiB")
    if there:
        assert len(there["a.csv"]) == told["files"][0]["size"] <= 64 << 20


# --- what the policy says

def test_a_folder_that_isnt_there_is_made_but_not_its_parents(host, results):
    policy = {"files": [{**KEEP, "keep": {"to": str(host.folder / "results" / "new")}}]}
    assert host.run("open('a.csv', 'w').write('x')", policy=policy)["files"][0]["path"] == str(host.folder / "results/new/a.csv")
    policy = {"files": [{**KEEP, "keep": {"to": str(host.folder / "no" / "new")}}]}
    told = host.run("open('a.csv', 'w').write('x')", policy=policy)
    assert told["status"] == "ok" and "files[0].keep.to" in told["files_not_kept"][0]["reason"], told


def test_an_overlay_hands_out_what_changed_and_nothing_else(host):
    data = host.folder / "data"
    data.mkdir()
    host.give(data)
    for name, text in (("a.csv", "yours"), ("same.csv", "same"), (".env", "secret"), ("id_rsa.txt", "secret")):
        host.file("data/" + name, text)
    policy = {"files": [{"host": "data", "sandbox": "/work", "mode": "overlay", "keep": {}}]}
    told = host.run("import os\nopen('a.csv', 'a').write(' and mine'); open('new.csv', 'w').write('x'); os.chmod('same.csv', 0o600)\n"
                    "os.rename('same.csv', 'moved.csv')", policy=policy)
    assert {path.name: path.read_text() for path in data.iterdir()} == {
        "a.csv": "yours", "a (2).csv": "yours and mine", "new.csv": "x", "same.csv": "same", "moved.csv": "same", ".env": "secret",
        "id_rsa.txt": "secret"}
    assert sorted(one["name"] for one in told["files"]) == ["a.csv", "moved.csv", "new.csv"]


def test_what_another_entry_shows_in_the_working_directory_isnt_the_cells(host, results):
    host.file("data/in.csv", "yours")
    for entry in ({"host": "data/in.csv", "sandbox": "/work/in.csv"}, {"host": "data", "sandbox": "/work/data"}):
        policy = {"files": [{**KEEP, "keep": {"to": str(results.folder)}}, entry]}
        told = host.run("open('out.csv', 'w').write('x')", policy=policy)
        assert [one["name"] for one in told["files"]] == ["out.csv"] and told["files_not_kept"] == [], told
    assert [path.name for path in results.folder.iterdir()] == ["out.csv"]


def test_with_nothing_said_nothing_is_kept(host):
    told = host.run("open('a.csv', 'w').write('x')", policy={})
    assert told["files"] == told["files_not_kept"] == []
    assert not (host.folder / "a.csv").exists()
