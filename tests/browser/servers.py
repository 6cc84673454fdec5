"""Jupyter's own servers, with our kernels made known to them: one of JupyterLab and Notebook 7, one of the classic notebook."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

from support import kernels, leftovers, pypi

SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}

# name of the kernel: what its policy has beside the built-in `notebook`
KERNELS = {
    "cellblock": {},
    "cellblock-hasty": {"limits": {"cell_time": "2s", "grace_time": "1s"}},
    "cellblock-small": {"limits": {"memory": "1GiB"}},
    "cellblock-drop": {"outputs": {"html": "drop"}},
    "cellblock-trust": {"outputs": {"html": "trust"}},
}


class Server:
    """A server's process, its private folders, and a folder of notebooks."""

    def __init__(self, command, place):
        self.place = place
        self.folder = place.root / "work"
        self.port = kernels.free_ports(1)[0]
        self.address = "http://127.0.0.1:%d" % self.port
        shipped = json.loads(_run([kernels.PROGRAM, "policy", "show", "notebook"]))
        for name, keys in KERNELS.items():
            changed = {key: {**shipped[key], **keys[key]} for key in keys}
            policy = place.policy("../config/" + name, **{**shipped, **changed, "python": str(pypi.PYTHON)}) if keys else "notebook"
            _run([kernels.PROGRAM, "install", "--prefix", place.root / "prefix", "--name", name, "--display-name",
                  "Python (%s)" % name, "--policy", policy, "--python", pypi.PYTHON])
        for name, values in SETTINGS.items():
            file = place.root / "settings" / (name + ".jupyterlab-settings")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        self.log = open(place.root / "server.log", "wb")
        variables = {**place.environment(), "JUPYTER_PATH": str(place.root / "prefix" / "share" / "jupyter"),
                     "JUPYTERLAB_SETTINGS_DIR": str(place.root / "settings"),
                     "JUPYTERLAB_WORKSPACES_DIR": str(place.root / "workspaces")}
        del variables["JUPYTER_NO_CONFIG"]  # extensions are switched on by files of the environment
        self.process = subprocess.Popen(
            [*command, "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=%d" % self.port,
             "--port-retries=0"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=variables,
            cwd=self.folder, start_new_session=True)
        self._known = {}
        end = time.monotonic() + 90
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < end, self.said()
            time.sleep(0.1)

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def said(self):
        return (self.place.root / "server.log").read_text(errors="replace")

    def ask(self, path, method="GET"):
        request = urllib.request.Request(self.address + "/api/" + path, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def wait_connected(self, notebook, seconds=60):
        """Until the kernel of that notebook (a part of its name) is idle and a page listens to it."""
        end = time.monotonic() + seconds
        while not any(notebook in one["path"] and one["kernel"]["execution_state"] == "idle" and one["kernel"]["connections"]
                      for one in self.ask("sessions")):
            assert time.monotonic() < end, self.ask("sessions")
            time.sleep(0.1)

    def process_of(self, notebook):
        """The pid of the kernel that runs a notebook, now."""
        session = next(one for one in self.ask("sessions") if one["path"] == notebook)
        wanted = b"kernel-%s.json" % session["kernel"]["id"].encode()
        for pid in leftovers.descendants(self.process.pid):
            if wanted in pathlib.Path("/proc/%d/cmdline" % pid).read_bytes():
                return pid
        raise AssertionError("no process of " + notebook)

    def end_kernels(self):
        self._known.update(leftovers.descendants(self.process.pid))
        for session in self.ask("sessions"):
            self.ask("sessions/" + session["id"], "DELETE")

    def write(self, name, cells, kernel="cellblock"):
        """A notebook in the folder; cells: their sources."""
        body = {"nbformat": 4, "nbformat_minor": 5,
                "metadata": {"kernelspec": {"name": kernel, "display_name": "Python (%s)" % kernel, "language": "python"}},
                "cells": [{"cell_type": "code", "id": "c%d" % number, "metadata": {}, "execution_count": None,
                           "outputs": [], "source": source} for number, source in enumerate(cells)]}
        (self.folder / name).write_text(json.dumps(body))
        return name

    def stop(self):
        """Gives what outlived it."""
        self._known.update(leftovers.descendants(self.process.pid))
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()
        leftovers.wait_until(lambda: not leftovers.living(self._known), 5)
        left = {pid: leftovers.command_line(pid) for pid in leftovers.living(self._known)}
        leftovers.send(signal.SIGKILL, left)
        return left


def jupyterlab(place):
    """Notebook 7 too, under /tree and /notebooks."""
    return Server([pypi.FOLDER / "bin" / "jupyter-lab", "--IdentityProvider.token=",
                   "--ServerApp.disable_check_xsrf=True"], place)


def classic(place):
    """Debian's notebook 6.4."""
    return Server(["/usr/bin/python3", "-m", "notebook", "--NotebookApp.token=", "--NotebookApp.disable_check_xsrf=True"],
                  place)


def _run(argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
