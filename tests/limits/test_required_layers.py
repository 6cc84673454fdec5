"""Where a layer that the policy requires can't be had, no code runs, and the message names layer and remedy."""

import json
import subprocess

import pytest
from support import kernels

CODE = "open('/tmp/ran', 'w').close(); print('ran')"


@pytest.fixture
def run_on_lesser_host(user_place):
    def run(denied, code=CODE, **policy):
        path = user_place.policy("lesser", **policy)
        argv = [kernels.PROGRAM, "run", "--json", "--policy", str(path), "-"]
        if denied:
            argv = [*kernels.lesser_host(denied), *argv]
        done = subprocess.run(user_place.as_user(argv), input=code, capture_output=True, text=True, timeout=60,
                              env=user_place.environment())
        return done.returncode, json.loads(done.stdout)

    return run


def assert_refused(status, report, *words):
    assert status == 125 and report["status"] == "unavailable", report
    assert report["stdout"] == "" and report["results"] == []
    for word in words:
        assert word in report["error"]["evalue"], (word, report["error"]["evalue"])


def test_without_landlock_nothing_runs(run_on_lesser_host):
    assert_refused(*run_on_lesser_host("landlock_create_ruleset"), '"landlock"', "lsm=", '"require"')


def test_without_landlock_a_policy_can_do_without_it(run_on_lesser_host):
    status, report = run_on_lesser_host("landlock_create_ruleset", require=["namespaces", "seccomp"])
    assert status == 0 and report["stdout"] == "ran\n"


@pytest.mark.parametrize("require", [[], ["seccomp"]], ids=["nothing_required", "seccomp_required"])
def test_a_filter_that_cant_be_set_is_never_left_out(run_on_lesser_host, require):
    assert_refused(*run_on_lesser_host("seccomp", require=require), "filter")


def test_without_namespaces_nothing_runs(run_on_lesser_host):
    assert_refused(*run_on_lesser_host("unshare:EPERM"), "namespace")


def test_full_is_refused_by_name_where_there_are_no_cgroups(run_on_lesser_host):
    status, report = run_on_lesser_host("", require="full")
    if status == 0:
        pytest.skip("this user has cgroups here, so the level `full` stands")
    assert_refused(status, report, '"memory"', "cgroup", '"require"')


def test_a_kernel_tells_it_too_and_lives(start_as, user_place):
    path = user_place.policy("lesser")
    kernel = start_as(command=[*kernels.lesser_host("landlock_create_ruleset"), kernels.PROGRAM, "kernel",
                               "-f", "{connection_file}", "--policy", str(path)])
    run = kernel.client.run(CODE)
    assert run.status == "error" and run.content["ename"] == "SandboxUnavailable"
    assert "landlock" in run.content["evalue"] and kernel.alive()
