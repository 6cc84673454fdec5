"""Completions and manual pages of the program: real shells are asked, and man formats the pages without a warning."""

import os
import re
import shutil
import subprocess

import pexpect
import pytest

SHELLS = ("bash", "zsh", "fish")
# What is typed, what must be among the answers, and what must not be.
TYPED = [
    ("cellblock ru", {"run"}, {"relay", "exec"}),
    ("cellblock re", set(), {"relay"}),  # a command that the help doesn't list
    ("cellblock run --po", {"--policy"}, {"--plots"}),
    ("cellblock run --policy de", {"default"}, {"data.csv"}),
    ("cellblock run --policy mi", {"mine"}, {"notebook"}),  # the user's own
    ("cellblock run --policy ./of", {"offline.json"}, set()),
    ("cellblock run --policy=no", {"notebook"}, {"default"}),
    ("cellblock run --plots f", {"figures"}, {"file.py"}),
    ("cellblock run fi", {"file.py", "figures"}, set()),
    ("cellblock run --timeout f", set(), {"file.py", "figures"}),
    ("cellblock kernel --clients ", {"own", "any"}, {"file.py"}),
    ("cellblock doctor --engine na", {"native"}, {"default"}),
    ("cellblock doctor --engine bubb", {"bubblewrap"}, {"native"}),
    ("cellblock daemon st", {"status", "stop"}, {"show"}),
    ("cellblock daemon status --o", {"--openmetrics"}, {"--idle"}),
    ("cellblock policy show de", {"default"}, {"data.csv"}),
    ("cellblock exec -- ls fi", {"file.py"}, set()),
    ("cellblock completion ", {"bash", "zsh", "fish"}, {"run"}),
]


@pytest.fixture
def asked(cellblock, tmp_path):
    """Gives what a shell offers behind the words that were typed. It has the program on PATH, and neither completions nor settings
    of the machine."""
    (tmp_path / "figures").mkdir()
    for name in ("file.py", "data.csv", "offline.json"):
        (tmp_path / name).write_text("{}")
    own = cellblock.home / ".config/cellblock/policies"
    own.mkdir(parents=True)
    (own / "mine.json").write_text("{}")
    variables = {"PATH": f"{cellblock.program.parent}:/usr/bin:/bin", "HOME": str(cellblock.home), "LC_ALL": "C.UTF-8", "TERM": "dumb"}

    def script(shell):
        done = cellblock("completion", shell)
        assert done.returncode == 0 and not done.stderr
        path = tmp_path / "home" / shell
        path.write_text(done.stdout)
        return path

    def ask(shell, typed):
        if not shutil.which(shell):
            pytest.skip(f"{shell} isn't installed")
        return ANSWERS[shell](typed, script(shell), variables, tmp_path)

    return ask


def in_bash(typed, script, variables, folder):
    """By the function that bash calls when Tab is pressed, with the words as bash splits them."""
    words = re.findall(r"=|[^\s=]+", typed) + ([""] if typed.endswith(" ") else [])
    code = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cellblock cellblock "${COMP_WORDS[-1]}" "";'
            'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "--norc", "--noprofile", "-c", code, "bash", script, *words], env=variables, cwd=folder,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


def in_zsh(typed, script, variables, folder):
    """By Tab in a terminal, since zsh completes nowhere else."""
    shell = pexpect.spawn("zsh", ["-f", "-i"], env=variables, cwd=str(folder), encoding="utf-8", timeout=60, dimensions=(60, 200))
    try:
        shell.sendline("PS1='ready''> '; autoload -Uz compinit; compinit -D -u; zstyle ':completion:*' list-colors ''; "
                       f"setopt list_packed no_always_last_prompt no_beep; source {script}; bindkey '^I' list-choices; stty -echo; print all''set")
        shell.expect("allset")
        shell.expect("ready> ")
        shell.send(typed + "\t")
        shell.expect_exact(typed)
        shell.send("\x01\x0bprint asked''all\n")
        shell.expect("askedall")
        listed = shell.before.partition("print asked")[0]
        return set(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", listed).split())
    finally:
        shell.close(force=True)


def in_fish(typed, script, variables, folder):
    done = subprocess.run(["fish", "--no-config", "-c", 'source $argv[1]; complete -C $argv[2]', str(script), typed], env=variables, cwd=folder,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return {line.partition("\t")[0].rpartition("=")[2] for line in done.stdout.splitlines()}


ANSWERS = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("typed, offered, kept", TYPED, ids=[typed for typed, _, _ in TYPED])
def test_a_shell_offers_what_may_come_next(asked, shell, typed, offered, kept):
    answers = asked(shell, typed)
    names = {os.path.basename(answer.rstrip("/")) for answer in answers}  # zsh lists names alone
    assert offered <= names and not kept & names, answers


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_has_every_command_and_option_of_the_help(cellblock, shell):
    script = cellblock("completion", shell).stdout
    commands = re.findall(r"^  (\w+) ", cellblock("--help").stdout.partition("Subcommands:")[2].partition("Examples:")[0], re.MULTILINE)
    assert len(commands) > 10 and "relay" not in commands
    for command in commands:
        assert command in script
        for option in set(re.findall(r"(?<=[ ,])--([a-z-]+)", cellblock(command, "--help").stdout.partition("Options:")[2].partition("Exit status")[0])):
            assert option in script, (command, option)


def test_another_shell_is_an_error_of_usage(cellblock):
    done = cellblock("completion", "csh")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "csh" in done.stderr


@pytest.mark.parametrize("page", ["cellblock", "cellblock-policy"])
def test_man_formats_the_page(cellblock, tmp_path, page):
    if not shutil.which("man") or not shutil.which("groff"):
        pytest.skip("man-db or groff isn't installed")
    text = cellblock("man-page", page).stdout
    (tmp_path / "page").write_text(text)
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", str(tmp_path / "page")], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    shown = re.sub(r"\s+", " ", re.sub(r".\x08", "", done.stdout))
    if page == "cellblock-policy":
        keys = re.findall(r"^\| `([^`]+)`", cellblock("policy", "reference").stdout, re.MULTILINE)
        assert len(keys) > 20 and all(key in shown for key in keys)
        return
    for words in ("cellblock run [OPTIONS] FILE [ARGUMENTS...]", "--plots DIR", "cellblock daemon status", "Exit status: the command's own",
                  "cellblock policy show [OPTIONS] POLICY"):
        assert words in shown, words
    assert "relay" not in shown and "man-page" not in shown
