"""The policy's `files`: what is shown, and that nothing of it changes."""

import fcntl
import os
import re
import shutil
import subprocess

import pytest
from jails import PYTHON


def test_a_read_rule(host):
    host.file("data/a.txt", "content")
    rules = [{"host": "data", "sandbox": "/data", "mode": "read"},
             {"host": str(host.folder / "data/a.txt"), "sandbox": "/work/in/b.txt", "mode": "read"}]
    assert host.value("""
        import json
        found = [open('/data/a.txt').read(), open('/work/in/b.txt').read()]
        for path in ('/data/new', '/data/a.txt', '/work/in/b.txt'):
            try: open(path, 'a'); found.append('written')
            except OSError: found.append('refused')
        print(json.dumps(found))
    """, policy={"files": rules}) == ["content", "content", "refused", "refused", "refused"]


def test_an_overlay_changes_nothing_on_the_host(host):
    (host.folder / "data/sub").mkdir(parents=True)
    host.give(host.folder / "data")
    host.give(host.folder / "data/sub")
    host.file("data/a.txt", "content")
    assert host.value("""
        import json, os
        before = open('a.txt').read()
        open('a.txt', 'w').write('changed'); open('new.txt', 'w').write('x'); open('sub/deep.txt', 'w').write('x')
        print(json.dumps([before, open('a.txt').read(), sorted(os.listdir('.')), os.getcwd()]))
    """, policy={"files": [{"host": "data", "sandbox": "/work", "mode": "overlay"}]}) == [
        "content", "changed", ["a.txt", "new.txt", "sub"], "/work"]
    assert (host.folder / "data/a.txt").read_text() == "content"
    assert sorted(os.listdir(host.folder / "data")) == ["a.txt", "sub"] and not os.listdir(host.folder / "data/sub")


def test_an_overlay_counts_against_the_disk_limit(host):
    (host.folder / "data").mkdir()
    host.give(host.folder / "data")
    assert host.value("""
        written = 0
        try:
            with open('big', 'wb', buffering=0) as file:
                for _ in range(99): written += file.write(bytes(1 << 20)) >> 20
        except OSError: pass
        print(written)
    """, policy={"limits": {"disk": "50MiB"}, "files": [{"host": "data", "sandbox": "/work", "mode": "overlay"}]}) <= 50


def test_locks_on_an_overlays_files_stay_inside(host):
    path = host.file("data/file", "x" * 10)
    host.give(path.parent)
    with open(path, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert host.value("""
            import fcntl, json
            got = []
            for flags in ('r', 'r+'):
                with open('file', flags) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    got.append(flags)
            print(json.dumps(got))
        """, policy={"files": [{"host": "data", "sandbox": "/work", "mode": "overlay"}]}) == ["r", "r+"]


@pytest.mark.parametrize("mode", ["read", "overlay"])
def test_no_lease_holds_the_hosts_programs_up(host, mode):
    path = host.file("data/file", "x")
    host.give(path.parent)
    assert host.value("""
        import fcntl, json
        refused = []
        with open('/data/file') as file:
            for command, argument in ((fcntl.F_SETLEASE, fcntl.F_RDLCK), (fcntl.F_SETLEASE, fcntl.F_WRLCK), (fcntl.F_NOTIFY, fcntl.DN_MODIFY)):
                try: fcntl.fcntl(file, command, argument)
                except PermissionError: refused.append(command)
        print(json.dumps(len(refused)))
    """, policy={"files": [{"host": "data", "sandbox": "/data", "mode": mode}]}) == 3


@pytest.mark.parametrize("rule, words", [
    ({"host": "missing", "sandbox": "/work/x"}, "files[0].host"),
    ({"host": ".", "sandbox": "/usr/lib"}, "files[0].sandbox"),
    ({"host": ".", "sandbox": "/home"}, "files[0].sandbox"),
    ({"host": ".", "sandbox": "/opt"}, "files[0].sandbox"),
    ({"host": "/proc/1", "sandbox": "/work/p"}, "files[0].host"),
])
def test_a_rule_that_cannot_be_is_refused_with_its_name(host, rule, words):
    result = host.run("print(1)", policy={"files": [{"mode": "read", **rule}]})
    assert result["status"] == "unavailable" and words in result["error"]["evalue"], result


@pytest.mark.parametrize("place", ["/data/x.txt", "/data/new/x.txt"])
def test_a_place_that_cant_be_made_in_a_read_only_folder_is_told_with_a_remedy(host, place):
    (host.folder / "data").mkdir()
    host.file("x.txt", "x")
    result = host.run("print(1)", policy={"files": [{"host": "data", "sandbox": "/data", "mode": "read"},
                                                    {"host": "x.txt", "sandbox": place, "mode": "read"}]})
    told = result["error"]["evalue"]
    assert result["status"] == "unavailable" and "files[1].host" in told, result
    assert "Read-only file system" in told and "choose another path" in told


def test_a_link_in_a_users_folder_leads_the_builder_nowhere(host):
    (host.folder / "data").mkdir()
    (host.folder / "outside").mkdir()
    os.symlink(host.folder / "outside", host.folder / "data/link")
    host.file("x.txt", "x")
    result = host.run("print(1)", policy={"files": [{"host": "data", "sandbox": "/work", "mode": "overlay"},
                                                    {"host": "x.txt", "sandbox": "/work/link/x.txt", "mode": "read"}]})
    assert result["status"] == "unavailable" and "symbolic link" in result["error"]["evalue"], result
    assert os.listdir(host.folder / "outside") == []


def kept_beside_keys(host):
    """A notebook's folder as many are."""
    for name in (".aws/credentials", ".git/config", ".env", "sub/ID_RSA.old", "sub/a/b/server.pem", "prod.key"):
        host.file("nb/" + name, "SECRET")
    host.file("nb/data.csv", "content")
    host.file("nb/sub/notes.txt", "content")
    os.symlink(".env", host.folder / "nb/link")
    os.symlink("../nb/.aws", host.folder / "nb/sub/link")


LOOK = """
    import json, os
    found = {}
    for folder, folders, files in os.walk(PLACE):
        for name in folders + files:
            path = os.path.join(folder, name)
            try: found[os.path.relpath(path, PLACE)] = os.listdir(path) if os.path.isdir(path) else open(path).read()
            except OSError: pass
    for path in ('.aws/credentials', 'sub/link/credentials', 'sub/a/b/server.pem', 'sub/../.env'):
        try: found[path] = open(os.path.join(PLACE, path)).read()
        except OSError: pass
    print(json.dumps(found))
"""


@pytest.mark.parametrize("mode", ["read", "overlay"])
@pytest.mark.parametrize("engine", ["native", "bubblewrap", "runc"])
def test_keys_and_dot_names_are_left_out_of_a_folder(host, engine, mode):
    if engine != "native" and not shutil.which({"bubblewrap": "bwrap"}.get(engine, engine), path="/usr/bin:/bin:/usr/sbin"):
        pytest.skip("there is no %s here" % engine)
    kept_beside_keys(host)
    place = "/work" if mode == "overlay" else "/data"
    found = host.value(LOOK.replace("PLACE", repr(place)), policy={
        "engine": engine, "files": [{"host": "nb", "sandbox": place, "mode": mode}]})
    assert found["data.csv"] == "content" and found["sub/notes.txt"] == "content", found
    assert "SECRET" not in str(found.values()) and not found.get(".aws") and not found.get(".git"), found
    if mode == "overlay":
        assert not {".aws", ".git", ".env", "prod.key"} & set(found), found


OVERLAY = {"files": [{"host": "nb", "sandbox": "/work", "mode": "overlay"}]}
# An overlay marks a removed folder by attributes, which an ordinary user may set in tmpfs since Linux 6.6.
MARKS_FOLDERS = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2]) >= (6, 6)


def test_names_that_were_left_out_of_an_overlay_are_free_for_cells(host):
    kept_beside_keys(host)
    assert host.value("""
        import json, os
        open('.env', 'w').write('mine')
        print(json.dumps(open('link').read()))
    """, policy=OVERLAY) == "mine"
    assert (host.folder / "nb/.env").read_text() == "SECRET"


REMOVE = """
    import json, os, shutil
    shutil.rmtree('old'); os.makedirs('old/mine'); os.makedirs('.git/objects')
    print(json.dumps([os.listdir('old'), os.listdir('.git')]))
"""


@pytest.mark.skipif(not MARKS_FOLDERS, reason="an overlay that isn't root's can't mark folders before Linux 6.6")
def test_folders_of_an_overlay_can_be_removed_and_made_anew(host):
    kept_beside_keys(host)
    host.give(host.file("nb/old/notes.txt", "content").parent)
    assert host.value(REMOVE, policy=OVERLAY) == [["mine"], ["objects"]]
    assert (host.folder / "nb/old/notes.txt").exists() and (host.folder / "nb/.git/config").exists()


@pytest.mark.skipif(MARKS_FOLDERS, reason="for Linux before 6.6")
def test_folders_of_an_overlay_that_cant_be_removed_are_told_of(host):
    """Root's overlay can mark them where it was mounted by root itself."""
    kept_beside_keys(host)
    host.give(host.file("nb/old/notes.txt", "content").parent)
    told = host.run(REMOVE, policy=OVERLAY)
    assert "Linux 6.6" in str(told["error"]) if told["status"] == "error" else host.user == "root", told
    assert (host.folder / "nb/old/notes.txt").exists()


def test_what_the_policy_names_itself_is_shown(host):
    kept_beside_keys(host)
    assert host.value("""
        import json
        print(json.dumps([open('/work/.aws/credentials').read(), open('/e').read(), open('/b/.env').read() == '']))
    """, policy={"files": [{"host": "nb", "sandbox": "/work", "mode": "overlay"},
                           {"host": "nb", "sandbox": "/b"},
                           {"host": "nb/.aws", "sandbox": "/work/.aws"},
                           {"host": "nb/.env", "sandbox": "/e"}]}) == ["SECRET", "SECRET", True]


@pytest.mark.parametrize("path", ["/", "/etc", "/tmp", "/var/tmp", "/usr", "/home", "/root", "home", ".", "link-to-home",
                                  "link-to-key", "link-to-keys"])
def test_homes_and_system_folders_are_refused_as_a_whole_and_so_are_hidden_ways_to_keys(host, path):
    host.file("home/.ssh/id_rsa", "SECRET")
    for name, target in (("home", "home"), ("key", "home/.ssh/id_rsa"), ("keys", "home/.ssh")):
        os.symlink(target, host.folder / ("link-to-" + name))
    result = host.run("print(1)", policy={"files": [{"host": path, "sandbox": "/work/x"}]})
    assert result["status"] == "unavailable", result
    assert "files[0].host" in result["error"]["evalue"] and "olicy" in result["error"]["evalue"], result


def test_a_folder_in_a_home_is_shown(host):
    host.file("home/notebooks/a.txt", "content")
    assert host.out("print(open('/work/a.txt').read())", policy={"files": [
        {"host": "home/notebooks", "sandbox": "/work", "mode": "overlay"}]}) == "content\n"


@pytest.mark.parametrize("engine", ["bubblewrap", "runc"])
def test_what_an_engine_would_cover_is_refused_with_a_hint_that_helps(host, engine):
    if not shutil.which({"bubblewrap": "bwrap"}.get(engine, engine), path="/usr/bin:/bin:/usr/sbin"):
        pytest.skip("there is no %s here" % engine)
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", host.folder / "v"], check=True)
    (host.folder / "data").mkdir()
    for python, files, named in ((host.folder / "v/bin/python", [], str(host.folder / "v")),
                                 (PYTHON, [{"host": "data", "sandbox": "/tmp/data"}], "/tmp/data")):
        result = host.run("print(1)", policy={"engine": engine, "files": files}, python=python)
        text = result["error"]["evalue"]
        assert result["status"] == "unavailable" and named + " can't be shown" in text and "/tmp is" in text, text
        assert "elsewhere" in text and "nstall" not in text, text
