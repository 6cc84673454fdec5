"""The policy's `files`: what is shown, and that nothing of it changes."""

import os

import pytest


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
