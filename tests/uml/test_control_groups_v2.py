"""The doctor and a session's whole life on control groups of version 2, which systems with systemd have, whatever this machine has.

As an ordinary user to whom systemd, or here this test, has given some; and as root, who makes them.
"""

import json
import os
import pathlib
import pwd
import shlex
import sys

import pytest
from support import kernels
from support.life import MEMORY_STEPS, STEPS
from support.patience import SLOWNESS

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import linux  # noqa: E402

LAYERS = ("namespaces", "root", "user", "capabilities", "seccomp", "network", "rlimits", "memory", "processes", "cpus")  # Landlock isn't there
MEMORY = 400  # MiB: Python with matplotlib needs 230 MiB of addresses
SECONDS = 900 * SLOWNESS
POLICIES = {name: {**json.loads((kernels.REPO / "share/cellblock/policies" / (name + ".json")).read_text()), "require": LAYERS}
            for name in ("default", "notebook")}
for policy in POLICIES.values():
    policy["limits"].update(memory="%dMiB" % MEMORY, processes=64)  # which are used up, and each page and process takes its time there
# As systemd's Delegate= and DelegateSubgroup= leave them.
GROUPS = """
scope=/sys/fs/cgroup/cellblock.service
mkdir -p $scope/main
chown -R {user} $scope
echo $$ > $scope/main/cgroup.procs
"""
SCRIPT = """
mkdir -p /run/person/run
export HOME=/run/person XDG_RUNTIME_DIR=/run/person/run CELLBLOCK_POLICY=/run/notebook.json PATH={programs}:$PATH PYTHONDONTWRITEBYTECODE=1
echo {default} > /run/default.json
echo {notebook} > $CELLBLOCK_POLICY
chown -R {user} /run/person
chmod 700 $XDG_RUNTIME_DIR
cd /run/person
as_user() {{ setpriv --reuid={user} --regid={group} --clear-groups "$@"; }}
as_user cellblock install --user
as_user {command} > $FOLDER/told.json
"""
WAYS = (pytest.param("root", marks=pytest.mark.long), "user with groups")
DOCTOR = ["cellblock", "doctor", "--json", "--policy", "/run/default.json"]
LONG = bool(os.environ.get("CELLBLOCK_LONG_TESTS"))
LIFE = ["/usr/bin/python3", kernels.REPO / "tests/support/life.py", MEMORY if LONG else 0]


def told_by(command, way):
    """What the command told, and what else was printed, by a boot of its own."""
    why = linux.missing()
    if why:
        pytest.skip(why)
    user = pwd.getpwnam("root" if way == "root" else kernels.ORDINARY_USER)
    programs = pathlib.Path(kernels.PROGRAM).parent
    words = {"user": user.pw_uid, "group": user.pw_gid, "programs": programs, **{name: json.dumps(policy) for name, policy in POLICIES.items()}}
    script = ((GROUPS if user.pw_uid else "") + SCRIPT).format(command=shlex.join(map(str, command)),
                                                               **{name: shlex.quote(str(word)) for name, word in words.items()})
    done = linux.run(script, SECONDS, [kernels.REPO, programs.parent if programs.name == "bin" else programs])
    assert done.files.get("told.json", "").startswith("{"), str(done)
    return json.loads(done.files["told.json"]), done.output


@pytest.mark.long
@pytest.mark.seconds(SECONDS + 100)
@pytest.mark.parametrize("way", WAYS)
def test_the_promise_is_kept_and_each_layer_stands(way):
    told, _ = told_by(DOCTOR, way)
    assert told["promise_holds"] and not [one for one in told["attempts"] if one["ending"] == "reached"]
    assert {one["layer"] for one in told["layers"] if one["in_force"]} == set(LAYERS)
    assert all("v2" in one["detail"] for one in told["layers"] if one["layer"] in ("memory", "processes", "cpus"))


@pytest.fixture(scope="module", params=WAYS)
def life(request):
    return told_by(LIFE, request.param)


@pytest.mark.seconds(SECONDS + 100)
@pytest.mark.parametrize("step", [pytest.param(step, marks=pytest.mark.long) if step in MEMORY_STEPS else step for step in STEPS])
def test_a_session_lives(life, step):
    told, printed = life
    assert step in told, "the session's life ended before: %s" % printed[-3000:]
    assert told[step]["ok"], "%s\n%s" % (told[step]["told"], printed[-3000:])
