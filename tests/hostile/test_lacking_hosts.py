"""Hosts that lack something: nothing runs, and the error says what to do."""

import json
import subprocess

import pytest
from jails import PROGRAM, PYTHON, as_user


def run_within(host, setup, code="print(1)"):
    """`cellblock run` inside a user namespace prepared by a shell line."""
    namespaces = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
                  setup + ' && exec "$@"', "sh"]
    done = subprocess.run(as_user(host.user, [*namespaces, PROGRAM, "run", "--json", "--python", PYTHON, "-"]),
                          input=code, text=True, capture_output=True, timeout=60, env=host.environment(),
                          cwd=host.folder)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_it_works_inside_a_user_namespace(host):
    result = run_within(host, "true")
    assert result["status"] == "ok" and result["stdout"] == "1\n", result


def test_no_user_namespaces_is_told_with_the_sysctl(host):
    result = run_within(host, "echo 0 > /proc/sys/user/max_user_namespaces")
    assert result["status"] == "unavailable" and "user.max_user_namespaces" in result["error"]["evalue"], result


def test_a_host_that_hides_parts_of_proc_is_told(host):
    result = run_within(host, "mount --bind /dev/null /proc/uptime")
    assert result["status"] == "unavailable" and "/proc" in result["error"]["evalue"], result


def test_cgroups_that_cannot_be_had_are_no_failure(host):
    assert run_within(host, "mount -t tmpfs none /sys/fs/cgroup")["status"] == "ok"


@pytest.mark.parametrize("files", [16, 28, 38, 39, 40, 41, 42, 44, 48, 56])
def test_too_few_open_files_are_told_with_the_limit(host, files):
    result = run_within(host, "ulimit -n %d" % files)
    assert result["status"] == "unavailable" and "ulimit -n" in result["error"]["evalue"], result
