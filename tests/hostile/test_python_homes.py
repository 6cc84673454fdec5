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
