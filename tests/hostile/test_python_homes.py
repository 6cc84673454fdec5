"""Pythons from elsewhere: virtual environments, scripts, and those that cannot be shown."""

import os
import subprocess

from jails import PYTHON, as_user


def make_venv(host, folder):
    subprocess.run(as_user(host.user, [PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", str(folder)]),
                   check=True, env=host.environment())


def test_a_virtual_environment_under_a_closed_home(host):
    make_venv(host, host.home / "venv")
    host.file("home/secret.txt", "hunter2", 0o600)
    program, prefix, listing = host.value("""
        import json, os, sys
        print(json.dumps([sys.executable, sys.prefix, os.listdir(os.path.dirname(sys.prefix))]))
    """, python=host.home / "venv/bin/python3")
    assert prefix == str(host.home / "venv") and listing == ["venv"]


def test_a_virtual_environment_through_links(host):
    make_venv(host, host.home / "real")
    os.symlink(host.home / "real", host.home / "named")
    assert host.out("import sys; print(sys.prefix)", python=host.home / "named/bin/python3").strip() in (
        str(host.home / "real"), str(host.home / "named"))


def test_a_path_that_leads_through_folders_and_out_of_them(host):
    make_venv(host, host.home / "real")
    host.file("home/beside/file", "")
    os.symlink(host.home / "real/lib", host.home / "beside/lib")
    for path in ("beside/../real/bin/python3", "./real/./bin/python3", "beside/lib/../bin/python3"):
        assert host.out("import sys; print(sys.prefix)", python="%s/%s" % (host.home, path)).strip() == str(host.home / "real"), path


def test_what_starts_with_python_doesnt_get_the_workers_sockets(host):
    """A .pth file's line runs before anything of ours could be imported."""
    make_venv(host, host.home / "venv")
    packages = next((host.home / "venv").glob("lib/python3*/site-packages"))
    line = "import os, subprocess, sys; sys.begun = subprocess.run(['ls', '-l', '/proc/self/fd'], close_fds=False, " \
           "capture_output=True, text=True).stdout"
    host.give(host.file("home/venv/%s/begin.pth" % packages.relative_to(host.home / "venv"), line + "\n"))
    told = host.out("import sys; print(sys.begun)", python=host.home / "venv/bin/python3")
    assert "/fd" in told and "socket:" not in told, told


def test_a_script_in_pythons_place(host):
    shim = host.file("bin/python3", "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n", 0o755)
    assert host.out("import sys; print(sys.executable)", python=shim).strip() == PYTHON


def test_a_prefix_that_is_the_home_is_refused(host):
    make_venv(host, host.home)
    result = host.run("print(1)", python=host.home / "bin/python3")
    assert result["status"] == "unavailable" and "home directory" in result["error"]["evalue"], result


def test_no_python_is_told(host):
    result = host.run("print(1)", python="/nonexistent/python3")
    assert result["status"] == "unavailable" and "/nonexistent/python3" in result["error"]["evalue"]
