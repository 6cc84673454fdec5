"""What the host changes in a notebook's folder is seen by the next cell, however it is changed."""

import os
import pathlib
import pwd
import shutil
import subprocess

import pytest
from support import leftovers
from support.daemons import wait_for

POLICY = {"files": [{"host": ".", "sandbox": "/work", "mode": "overlay", "keep": {}}]}


def filled(place):
    for name in ("a.csv", "b.csv", "gone.csv", "sub/deep/c.csv"):
        place.file(name, "old")
    if place.user:
        for path in (place.root / "work").rglob("*"):
            shutil.chown(path, place.user, pwd.getpwnam(place.user).pw_gid)
    return place.root / "work"


def prepared(kernel):
    kernel.client.run("def see(*names):\n    for name in names:\n        try: print(name, open(name).read())\n"
                      "        except OSError as error: print(name, type(error).__name__)").ok()
    assert leftovers.wait_until(lambda: watched(kernel.pid) >= 3, 20)  # from the first cell on
    return kernel.client


def watched(pid):
    """How many folders this process has watches on."""
    count = 0
    for one in pathlib.Path("/proc/%d/fdinfo" % pid).iterdir():
        try:
            count += one.read_text().count("inotify wd:")
        except OSError:
            pass
    return count


@pytest.fixture
def work(own_place):
    return filled(own_place)


@pytest.fixture
def client(start_as, own_place, work):
    return prepared(start_as(policy=POLICY, place=own_place))


def seen(client, *names):
    run = client.run("see(%s)" % ", ".join(map(repr, names))).ok()
    assert run.stderr == ""
    return dict(line.split(" ", 1) for line in run.stdout.splitlines())


def replace(path, text):
    (path.parent / "new").write_text(text)
    os.rename(path.parent / "new", path)


def test_a_file_that_was_replaced_is_the_new_one(client, work):
    names = ("a.csv", "sub/deep/c.csv")
    assert seen(client, *names) == dict.fromkeys(names, "old")
    for text in ("new", "newer still"):
        for name in names:
            replace(work / name, text)
        assert seen(client, *names) == dict.fromkeys(names, text)
    subprocess.run(["sed", "-i", "s/newer/by sed/", work / "a.csv"], check=True)
    assert seen(client, "a.csv") == {"a.csv": "by sed still"}
    (work / "a.csv").write_text("in place")
    assert seen(client, "a.csv") == {"a.csv": "in place"}


def test_a_file_that_went_is_gone_and_one_that_came_is_there(client, work):
    assert seen(client, "gone.csv", "later.csv") == {"gone.csv": "old", "later.csv": "FileNotFoundError"}
    os.remove(work / "gone.csv")
    (work / "later.csv").write_text("came")
    assert seen(client, "gone.csv", "later.csv") == {"gone.csv": "FileNotFoundError", "later.csv": "came"}


def test_folders_that_come_and_go(client, work):
    assert seen(client, "x/y/d.csv", "sub/deep/c.csv") == {"x/y/d.csv": "FileNotFoundError", "sub/deep/c.csv": "old"}
    (work / "x" / "y").mkdir(parents=True)
    (work / "x" / "y" / "d.csv").write_text("1")
    os.rename(work / "sub" / "deep", work / "sub" / "moved")
    assert seen(client, "x/y/d.csv", "sub/deep/c.csv", "sub/moved/c.csv") == \
        {"x/y/d.csv": "1", "sub/deep/c.csv": "FileNotFoundError", "sub/moved/c.csv": "old"}
    replace(work / "x" / "y" / "d.csv", "2")
    assert seen(client, "x/y/d.csv") == {"x/y/d.csv": "2"}


def test_what_cells_have_written_stays_theirs(client, work):
    client.run("open('a.csv', 'w').write('mine'); import os; os.remove('b.csv');").ok()
    replace(work / "a.csv", "the host's")
    replace(work / "b.csv", "the host's")
    assert seen(client, "a.csv", "b.csv") == {"a.csv": "mine", "b.csv": "FileNotFoundError"}


def test_a_file_that_is_open_is_told_of_once_and_seen_when_it_is_closed(client, work):
    client.run("held = open('a.csv')").ok()
    replace(work / "a.csv", "new")
    run = client.run("see('a.csv')").ok()
    assert run.stderr == ("cellblock: /work/a.csv changed on the host, but the sandbox has the old content open: close the file "
                          "to see the new one\n") and run.stdout == "a.csv old\n"
    assert client.run("see('a.csv')").ok().stderr == ""
    client.run("held.close()").ok()
    assert seen(client, "a.csv") == {"a.csv": "new"}


def test_a_working_directory_below_and_a_module_that_changes(client, work):
    client.run("import os, sys; os.chdir('/work/sub/deep'); sys.path.insert(0, '/work')").ok()
    replace(work / "sub" / "deep" / "c.csv", "new")
    assert seen(client, "c.csv") == {"c.csv": "new"}
    (work / "helper.py").write_text("value = 1")
    assert client.run("import helper; helper.value").ok().result == "1"
    replace(work / "helper.py", "value = 22")
    assert client.run("import importlib; importlib.reload(helper).value").ok().result == "22"


def test_more_folders_than_are_watched(client, work):
    for number in range(4200):
        (work / "many" / str(number)).mkdir(parents=True)
    assert seen(client, "a.csv") == {"a.csv": "old"}
    (work / "many" / "4199" / "z.csv").write_text("1")
    assert seen(client, "many/4199/z.csv") == {"many/4199/z.csv": "1"}
    replace(work / "many" / "4199" / "z.csv", "2")
    assert seen(client, "many/4199/z.csv") == {"many/4199/z.csv": "2"}


def test_in_a_sandbox_of_the_daemons(start_as, place_with_daemon):
    work = filled(place_with_daemon)
    start_as(policy=POLICY, place=place_with_daemon).client.run("1").ok()
    wait_for(place_with_daemon, lambda told: told["pool"]["ready"] > 0)
    client = prepared(start_as(policy=POLICY, place=place_with_daemon))
    assert client.run("'zygote' in open('/proc/1/cmdline').read()").ok().result == "True"
    assert seen(client, "a.csv", "gone.csv") == {"a.csv": "old", "gone.csv": "old"}
    replace(work / "a.csv", "new")
    os.remove(work / "gone.csv")
    assert seen(client, "a.csv", "gone.csv") == {"a.csv": "new", "gone.csv": "FileNotFoundError"}


def test_a_file_of_another_group_cant_be_changed_and_says_why(start_as, own_place):
    if not own_place.user:
        pytest.skip("root's sandboxes know every group")
    own_place.file("a.csv", "old")
    shutil.chown(own_place.root / "work" / "a.csv", own_place.user, "root")
    client = start_as(policy=POLICY, place=own_place).client
    run = client.run("open('a.csv', 'a')")
    assert run.content["ename"] == "OSError" and "belongs to another user or group" in run.content["traceback"][-1], run.content
    assert "key files" in run.content["traceback"][-1]
    assert client.run("open('a.csv').read()").ok().result == "'old'"
