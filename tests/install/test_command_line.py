"""The command line: help, versions, policies, and one clear line for what is wrong."""
import json

import pytest


def test_help_has_examples(cellblock):
    done = cellblock("--help")
    assert done.returncode == 0
    for word in ("install", "kernel", "run", "policy", "jupyter lab"):
        assert word in done.stdout


def test_version(cellblock):
    done = cellblock("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("cellblock 0.")


@pytest.mark.parametrize("command", ["install", "kernel", "run", "policy"])
def test_each_command_has_help(cellblock, command):
    done = cellblock(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(("Usage", "\n")) or "Usage:" in done.stdout


@pytest.mark.parametrize("arguments", [("nonsense",), ("kernel",), ("run",), ("policy",), ("policy", "x"),
                                       ("policy", "show"), ("run", "--nonsense", "x.py"), ("--nonsense",)])
def test_errors_of_usage_have_status_2_and_one_line(cellblock, arguments):
    done = cellblock(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--help" in done.stderr


def test_no_arguments_shows_the_help_with_status_2(cellblock):
    done = cellblock()
    assert done.returncode == 2
    assert "Examples:" in done.stderr


@pytest.mark.parametrize("name", ["default", "notebook"])
def test_shipped_policies_show_and_check(cellblock, tmp_path, name):
    shown = cellblock("policy", "show", name)
    assert shown.returncode == 0, shown.stderr
    (tmp_path / "copy.json").write_text(shown.stdout)
    checked = cellblock("policy", "check", "copy.json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(shown.stdout)["network"] == "none"


def test_the_default_policy_shows_no_file_of_the_host(cellblock):
    shown = json.loads(cellblock("policy", "show", "default").stdout)
    assert shown["files"] == [] and shown["environment"] == {}


def test_the_notebook_policy_overlays_the_notebooks_directory(cellblock):
    shown = json.loads(cellblock("policy", "show", "notebook").stdout)
    assert shown["files"] == [{"host": ".", "sandbox": "/work", "mode": "overlay"}]
    assert shown["limits"]["cell_time"] == "10m" and shown["limits"]["cell_time_max"] == "1h"


def test_a_users_policy_comes_before_a_shipped_one(cellblock):
    folder = cellblock.home / ".config/cellblock/policies"
    folder.mkdir(parents=True)
    (folder / "default.json").write_text('{"limits": {"processes": 5}}')
    assert json.loads(cellblock("policy", "show", "default").stdout)["limits"]["processes"] == 5


@pytest.mark.parametrize("text, words", [
    ('{"limits": {"memroy": "1GiB"}}', ["limits.memroy", "limits.memory"]),
    ('{"limits": {"memory": 5}}', ["limits.memory", "5"]),
    ("{\n,}", ["line 2, column 1"])])
def test_a_broken_policy_is_told(cellblock, tmp_path, text, words):
    (tmp_path / "mine.json").write_text(text)
    done = cellblock("policy", "check", "mine.json")
    assert done.returncode == 1 and done.stdout == ""
    for word in words:
        assert word in done.stderr


def test_an_absent_policy_lists_the_known_ones(cellblock):
    done = cellblock("policy", "show", "absent")
    assert done.returncode == 1
    assert "default" in done.stderr and "notebook" in done.stderr


@pytest.mark.parametrize("name", ["../default", "..", ".x", "a b"])
def test_path_tricks_are_no_names(cellblock, name):
    assert cellblock("policy", "show", name).returncode == 1


def test_the_reference_is_a_markdown_table(cellblock):
    done = cellblock("policy", "reference")
    assert done.returncode == 0
    assert done.stdout.startswith("| Key | Type | Default |")
    assert "| `limits.memory` |" in done.stdout


@pytest.mark.parametrize("name", ["default", "notebook"])
def test_a_language_model_is_told_the_policy(cellblock, name):
    done = cellblock("policy", "prompt", name)
    assert done.returncode == 0 and not done.stderr
    shown = json.loads(cellblock("policy", "show", name).stdout)
    assert {"default": "60 s", "notebook": "10 min"}[name] in done.stdout
    assert all("`%s`" % kind in done.stdout for kind in shown["outputs"]["mime"])


def test_an_absent_policy_has_no_words_for_a_language_model(cellblock):
    done = cellblock("policy", "prompt", "absent")
    assert done.returncode == 1 and "absent" in done.stderr and not done.stdout
