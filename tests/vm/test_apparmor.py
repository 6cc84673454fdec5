"""The package's AppArmor profile, where AppArmor refuses user namespaces to who has no rule for them.

Ubuntu does so to each program without a profile, by a patch of its own. Debian's kernel does so to a program whose profile has no
such rule: here it is a shell, and what it starts.
"""

import json
import time

import pytest

DAEMON_SECONDS = 300
# All but user namespaces; and cellblock goes into its own profile, as it does where its path is looked up.
RESTRICTED = """abi <abi/4.0>,
include <tunables/global>
profile restricted /usr/local/bin/restricted {
  file,
  capability,
  network,
  mount,
  umount,
  pivot_root,
  ptrace,
  signal,
  unix,
  dbus,
  mqueue,
  /usr/bin/cellblock px -> cellblock,
}
"""
RUN = ["env", "CELLBLOCK_POLICY=/etc/patient-default.json", "restricted", "-c"]


@pytest.fixture(scope="module")
def restricted(system):
    """restricted(command): what a shell made of it that may make no user namespace."""
    if system.machine.run(["test", "-e", "/etc/apparmor.d/cellblock"], check=False).status != 0:
        pytest.skip("the package of %s has no profile: its AppArmor has no rule for user namespaces" % system.name)
    system.machine.run(["cp", "/bin/bash", "/usr/local/bin/restricted"])
    system.machine.run(["apparmor_parser", "--replace", "--skip-cache"], text=RESTRICTED)
    system.machine.run(["sh", "-c", "echo 'print(6 * 7)' > /tmp/answer.py; cd /usr && mkdir -p /opt/other && "
                                    "cp -a --parents bin/cellblock lib/cellblock share/cellblock /opt/other"])
    yield lambda command: system.machine.run([*RUN, command], 900, check=False)
    system.machine.run(["cellblock", "daemon", "stop"], check=False)
    system.machine.run(["apparmor_parser", "--remove"], text=RESTRICTED)


def daemon(system):
    """What root's daemon tells of itself; None: there is none."""
    told = system.machine.run(["cellblock", "daemon", "status", "--json"]).stdout.strip()
    return next(iter(json.loads(told or "[]")), None)


def test_the_package_has_loaded_its_profile(restricted, system):
    assert "cellblock (unconfined)" in system.machine.run(["cat", "/sys/kernel/security/apparmor/profiles"]).stdout


def test_who_has_no_rule_can_make_no_user_namespace(restricted):
    done = restricted("unshare --user true")
    assert done.status != 0 and "ermi" in done.stderr, str(done)


def test_cellblock_starts_by_its_profile(restricted):
    done = restricted("CELLBLOCK_DAEMON=0 cellblock run /tmp/answer.py")
    assert done.status == 0 and done.stdout == "42\n", str(done)


def test_a_warm_start_does_too(restricted, system):
    first = restricted("cellblock run /tmp/answer.py")
    assert first.stdout == "42\n", str(first)
    end = time.monotonic() + DAEMON_SECONDS
    while not (told := daemon(system)) or not told["pool"]["ready"]:
        assert time.monotonic() < end, told
        time.sleep(1)
    second = restricted("cellblock run /tmp/answer.py")
    assert second.stdout == "42\n" and second.stderr == "", str(second)
    assert daemon(system)["claims"]["from_pool"] == 1, daemon(system)


def test_a_program_at_another_place_is_refused_and_says_why(restricted):
    done = restricted("CELLBLOCK_DAEMON=0 /opt/other/bin/cellblock run /tmp/answer.py")
    assert done.status != 0 and "42" not in done.stdout and "AppArmor" in done.stderr, str(done)
