"""The command line: help, versions, policies, and one clear line for what is wrong."""
import json
import re

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


@pytest.mark.parametrize("command", [(), ("policy",), ("daemon",), ("audit",)])
def test_no_argument_is_called_as_an_option_is(cellblock, command):
    """CLI11 2.4 takes them for one name, and then no command works; Debian 12's older one doesn't."""
    subcommands = re.search(r"^Subcommands:\n((?:  .*\n)+)", cellblock(*command, "--help").stdout, re.MULTILINE)[1]
    for one in re.findall(r"^  ([a-z-]+)", subcommands, re.MULTILINE):
        said = cellblock(*command, one, "--help").stdout
        arguments = re.search(r"^Positionals:\n((?:  .*\n)+)", said, re.MULTILINE)
        names = set(re.findall(r"^  ([a-z-]+)", arguments[1], re.MULTILINE)) if arguments else set()
        assert not names & set(re.findall(r"--([a-z-]+)", said)), one


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
    keep = shown["files"][0].pop("keep")
    assert shown["files"] == [{"host": ".", "sandbox": "/work", "mode": "overlay"}]
    assert keep["to"] == "." and "*.csv" in keep["patterns"] and "*" not in keep["patterns"]
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


@pytest.mark.parametrize("words, meant", [(("instal",), "install"), (("polcy",), "policy"), (("policy", "chek"), "check"),
                                          (("daemon", "--idel", "5s"), "--idle"), (("run", "--jsn", "x.py"), "--json"),
                                          (("run", "--timeout", "30", "x.py"), '"30s"')])
def test_a_slip_of_the_pen_is_asked_about(cellblock, tmp_path, words, meant):
    (tmp_path / "x.py").write_text("1")
    done = cellblock(*words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "did you mean %s?" % meant in done.stderr, done.stderr


@pytest.mark.parametrize("policy, words", [
    ({"engine": "natve"}, ['engine: there is no engine "natve"', "did you mean native?"]),
    ({"engine": ["native", "no-such-thing"]}, ['"no-such-thing"', "cellblock engines"]),
    ({"python": "/nowhere/python3"}, ["python:", "/nowhere/python3"]),
    ({"python": "/usr/bin/perl"}, ["python:", "/usr/bin/perl"]),
    ({"files": [{"host": ".", "sandbox": "/work"}, {"host": "/nowhere", "sandbox": "/x"}]}, ['files[1].host "/nowhere"']),
    ({"files": [{"host": "/etc", "sandbox": "/x"}]}, ["files[0].host", "system"]),
    ({"debugger": True, "audit": "/tmp/log"}, ["debugger:", "audit"]),
    ({"limits": {"cell_time": "30"}}, ["limits.cell_time", 'did you mean "30s"?']),
    ({"limits": {"cell_time": 30}}, ["limits.cell_time", 'did you mean "30s"?']),
    ({"limits": {"memory": "512M"}}, ["limits.memory", 'did you mean "512MiB"?'])])
def test_a_policy_that_asks_in_vain_is_found_out(cellblock, tmp_path, policy, words):
    (tmp_path / "mine.json").write_text(json.dumps(policy))
    done = cellblock("policy", "check", "mine.json")
    assert done.returncode == 1 and done.stdout == "", done
    for word in words:
        assert word in done.stderr


def test_secrets_that_a_policy_shows_and_scripts_that_it_keeps_are_named(cellblock, tmp_path):
    (tmp_path / ".env").write_text("TOKEN=1")
    (tmp_path / "mine.json").write_text(json.dumps({
        "files": [{"host": str(tmp_path / ".env"), "sandbox": "/data/env"},
                  {"sandbox": "/work", "mode": "empty", "keep": {"to": str(tmp_path), "patterns": ["*.csv", "*.py"]}}],
        "environment": {"LANG": True, "github_token": True}}))
    for words in (("policy", "check", "mine.json"), ("doctor", "--policy", "./mine.json")):
        done = cellblock(*words)
        warnings = [line for line in done.stderr.splitlines() if "warning: " in line]
        assert len(warnings) == 3, done.stderr
        for line, said in zip(warnings, ("files[0].host: cells can read", "environment.github_token", 'files[1].keep.patterns: "*.py"')):
            assert said in line
        assert words[0] == "doctor" or done.returncode == 0


def test_all_that_is_asked_in_vain_is_told_at_once(cellblock, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"engine": "x", "files": [{"host": "/nowhere", "sandbox": "/x"}],
                                                    "debugger": True, "audit": "/tmp/log"}))
    assert len(cellblock("policy", "check", "mine.json").stderr.splitlines()) == 3


@pytest.mark.parametrize("old, new", [({"best_effort": False}, "allow_unenforced"), ({"require": "contained"}, "no-namespaces"),
                                      ({"pool": {"ready": 1}}, "pool.min"), ({"pool": {"most": 9}}, "pool.max")])
def test_a_policys_old_words_work_with_a_notice_of_the_new_ones(cellblock, tmp_path, old, new):
    (tmp_path / "mine.json").write_text(json.dumps(old))
    done = cellblock("policy", "check", "mine.json")
    assert done.returncode == 0 and done.stdout
    (line,) = done.stderr.splitlines()
    assert new in line and "policy ./mine.json" in line
    shown = cellblock("policy", "show", "./mine.json")
    assert shown.stderr.splitlines() == [line] and new.rpartition(".")[2] in shown.stdout
    (tmp_path / "new.json").write_text(shown.stdout)
    assert cellblock("policy", "check", "new.json").stderr == ""
    (tmp_path / "x.py").write_text("print(1)")
    ran = cellblock("run", "--policy", "./mine.json", "x.py")
    if "require" not in old:
        assert ran.stdout == "1\n"
    assert line.replace("cellblock policy", "cellblock run") in ran.stderr.splitlines()


def test_what_is_only_there_for_an_engine_with_images_is_let_be(cellblock, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"engine": "docker", "python": "/opt/venv/bin/python3"}))
    assert cellblock("policy", "check", "mine.json").returncode == 0


def test_sizes_are_told_as_they_were_given(cellblock, tmp_path):
    (tmp_path / "mine.json").write_text('{"limits": {"memory": "200MB"}}')
    assert json.loads(cellblock("policy", "show", "./mine.json").stdout)["limits"]["memory"] == "200MB"
    assert "200 MB of memory" in cellblock("policy", "prompt", "./mine.json").stdout


def test_a_program_that_is_no_python_is_refused_with_a_hint(cellblock):
    done = cellblock("install", "--user", "--python", "/usr/bin/perl")
    assert done.returncode == 1 and "python3" in done.stderr and "/usr/bin/perl" in done.stderr
