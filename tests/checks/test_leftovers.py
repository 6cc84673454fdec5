"""tests/support/leftovers.py sees what it is there for."""

import os

from support import leftovers

CHILD, PARENT = 4_190_001, 4_190_002  # no process has such a number


def test_a_process_whose_parent_ends_during_the_look_is_seen(monkeypatch):
    """A daemon's child is the tests' once the daemon is gone. It had been read before, the daemon after its end: neither was ours."""
    looks = [{CHILD: ("launcher", "S", PARENT, 7), PARENT: ("daemon", "Z", 1, 5), 1: ("init", "S", 0, 1)},
             {CHILD: ("launcher", "S", os.getpid(), 7), os.getpid(): ("python3", "R", 1, 6), 1: ("init", "S", 0, 1)}]
    now = [{}]

    def listed(_):
        now[0] = looks.pop(0) if looks else now[0]
        return list(map(str, now[0]))

    monkeypatch.setattr(leftovers.os, "listdir", listed)
    monkeypatch.setattr(leftovers, "stat_of", lambda pid: now[0].get(pid))
    assert list(leftovers.reap_adopted(set())) == [CHILD]
