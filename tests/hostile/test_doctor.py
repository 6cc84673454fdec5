"""`cellblock doctor`: real attempts in a real sandbox; what it says is true, and it leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from support import kernels


@pytest.fixture(scope="module")
def place(any_user):
    made = kernels.Place(any_user)
    yield made
    made.remove()


@pytest.fixture
def doctor(place):
    def run(*arguments, before=()):
        done = subprocess.run(place.as_user([*before, kernels.PROGRAM, "doctor", *arguments]), capture_output=True,
                              text=True, timeout=120, env=place.environment())
        assert not list((place.root / "home").glob(".cellblock-doctor*")), "the doctor left what it planted"
        return done

    return run


@pytest.fixture(scope="module")
def healthy(place):
    done = subprocess.run(place.as_user([kernels.PROGRAM, "doctor", "--json"]), capture_output=True, text=True,
                          timeout=120, env=place.environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_default_policy_keeps_its_promise(healthy):
    assert healthy["promise_holds"] is True
    assert len(healthy["attempts"]) >= 40
    endings = {one["id"]: one["ending"] for one in healthy["attempts"]}
    assert len(endings) == len(healthy["attempts"]), "an id is used twice"
    assert set(endings.values()) <= {"stopped", "not_promised", "not_tried"}
    assert list(endings.values()).count("stopped") >= 55, endings


def test_every_required_layer_stands_and_every_missing_one_has_a_remedy(healthy):
    names = [one["layer"] for one in healthy["layers"]]
    assert names == ["namespaces", "root", "user", "capabilities", "seccomp", "landlock", "network", "rlimits",
                     "memory", "processes", "cpus"]
    for one in healthy["layers"]:
        assert one["in_force"] or (not one["required"] and one["remedy"]), one


def test_what_isnt_promised_belongs_to_a_missing_layer(healthy):
    missing = {one["layer"] for one in healthy["layers"] if not one["in_force"]}
    for one in healthy["attempts"]:
        assert one["ending"] != "not_promised" or one["group"] in missing, one


def test_a_policy_that_allows_hosts_is_tried_with_one(doctor, place, healthy):
    """The broker's walls behind a host that may be reached; without such a policy these aren't tried."""
    done = doctor("--json", "--policy", str(place.policy("hosts", network={"allow": ["allowed.example"]})))
    told = {one["id"]: (one["ending"], one["what"]) for one in json.loads(done.stdout)["attempts"]}
    assert done.returncode == 0, told
    for name, word in (("proxy_names", "network.allow"), ("proxy_socks", "SOCKS"), ("proxy_fronting", "were ended"), ("proxy_smuggling", "400"),
                       ("proxy_private", ""), ("loopback", ""), ("internet", "")):
        assert told[name][0] == "stopped" and word in told[name][1], told
    assert {one["ending"] for one in healthy["attempts"] if one["id"] in ("proxy_fronting", "proxy_smuggling", "proxy_private")} == {"not_tried"}


def test_a_policy_that_shows_the_home_folder_is_refused(doctor, place):
    home = str(place.root / "home")
    done = doctor("--policy", str(place.policy("leaky", files=[{"host": home, "sandbox": home, "mode": "read"}])))
    assert done.returncode == 125 and "files[0].host" in done.stderr and "home folder" in done.stderr


def test_a_policy_that_gives_a_secret_away_is_found_out_in_a_plain_table(doctor, place):
    done = doctor("--policy", str(place.policy("leaky", environment={"CELLBLOCK_DOCTOR_SECRET": True})))
    assert done.returncode == 1 and "does NOT keep its promise here." in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if re.match(r"  (stopped|open   |REACHED|-      )  ", line)]
    assert len(rows) >= 40 and all(row[69:71] == "  " for row in rows)
    reached = {row[11:69].strip() for row in rows if row.startswith("  REACHED")}
    assert "find a secret in the environment" in reached
    assert not reached & {"read a secret in the home folder", "write to /usr/bin", "mount a filesystem",
                          "reach the Internet"}


def test_where_a_required_layer_is_missing_it_says_which_and_what_to_do(doctor):
    done = doctor("--json", before=kernels.lesser_host("landlock_create_ruleset"))
    assert done.returncode == 125
    assert '"landlock"' in json.loads(done.stdout)["error"] and "lsm=" in done.stderr


@pytest.mark.parametrize("arguments, words", [(["--policy", "no-such-policy"], "no-such-policy"),
                                              (["--polcy", "x"], "doctor --help")])
def test_wrong_usage_is_2(doctor, arguments, words):
    done = doctor(*arguments)
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""


def test_a_home_that_cant_be_written_is_told(place):
    environment = {**place.environment(), "HOME": "/proc"}
    done = subprocess.run(place.as_user([kernels.PROGRAM, "doctor"]), capture_output=True, text=True, timeout=60,
                          env=environment)
    assert done.returncode == 125 and "/proc" in done.stderr and "HOME" in done.stderr


def test_interrupted_it_clears_away_what_it_planted(place):
    child = subprocess.Popen(place.as_user([kernels.PROGRAM, "doctor"]), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=place.environment())
    until = time.monotonic() + 30
    while not list((place.root / "home").glob(".cellblock-doctor*")) and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130 and b"interrupted" in err and out == b""
    assert not list((place.root / "home").glob(".cellblock-doctor*"))
