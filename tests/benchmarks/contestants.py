"""The kernels that are measured beside each other, all with the Python of one environment.

A Field is who takes part, with the folders and policies that they need. Ownership: it owns a private place, and in it
a daemon of its own for warm sandboxes.
"""

import json
import os
import pathlib
import subprocess
import time

import raw
from support import kernels

OURS, IPYKERNEL, XEUS = "cellblock", "ipykernel", "xeus-python"
COLD = "cellblock, cold"
FLOOR = "ready-made replies"  # echo.cc: what lies between is ZeroMQ and a signature
PLOTS = ["pandas", "matplotlib.pyplot"]
SETTLING = 60.0


class Running:
    """A kernel process with a raw client."""

    def __init__(self, field, name, command, **environment):
        self.name = name
        self.begun = time.perf_counter()
        self.kernel = kernels.Kernel(field.place, command=command, wait=False,
                                     environment={**field.environment, **environment})
        self.client = raw.Client(self.kernel.info)

    def ready(self):
        try:
            self.client.ready()
        except BaseException:
            print("%s said:\n%s" % (self.name, self.kernel.said()))
            self.stop()
            raise
        return self

    def was_cold(self):
        return "zygote" not in self.client.run("print(open('/proc/1/cmdline').read())").stdout

    def has(self, modules):
        """In memory already."""
        return "True" in self.client.run("import sys\nprint(all(name in sys.modules for name in %r))" % list(modules)).stdout

    def stop(self):
        """A clean end, else a certain one."""
        if self.client is None:
            return
        self.client.close()
        self.client = None
        if self.kernel.alive():
            self.kernel.clients.append(kernels.Client(self.kernel.info, subscribe=False))
        self.kernel.stop()


class Field:
    def __init__(self, program, python):
        self.program, self.python = str(program), str(python)
        self.place = kernels.Place()
        self.place.warm = True
        self.environment = {"PATH": "%s:/usr/bin:/bin" % pathlib.Path(python).parent}
        self._policies = {}
        self._started = []
        self.versions = {name: self._version(name) for name in (IPYKERNEL, XEUS)}
        self.others = [name for name, version in self.versions.items() if version]

    def _version(self, package):
        """None where it isn't in the environment."""
        code = "import sys, importlib.metadata\nprint(importlib.metadata.version(sys.argv[1]))"
        done = subprocess.run([self.python, "-c", code, package], capture_output=True, text=True, check=False)
        return done.stdout.strip() or None

    def policy(self, preload=(), warm=True, ready=2, **limits):
        """Such a policy's file; `ready`: sandboxes made ahead. What is measured isn't held up by a limit."""
        key = (tuple(preload), warm, ready, tuple(limits.items()))
        if key not in self._policies:
            wanted = {"cell_time": "10m", "memory": "2GiB", "cpus": os.cpu_count(), "output": "256MiB", **limits}
            self._policies[key] = self.place.policy("policy-%d" % len(self._policies), python=self.python, warm=warm,
                                                    preload=list(preload), limits=wanted,
                                                    pool={"min": ready, "max": max(8, ready)})
        return self._policies[key]

    def command(self, name, preload=()):
        if name == IPYKERNEL:
            return [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        if name == FLOOR:
            return [str(pathlib.Path(self.program).with_name("bench_echo")), "{connection_file}"]
        if name == XEUS:
            return [self.python, "-m", "xpython_launcher", "-f", "{connection_file}"]
        policy = self.policy(preload if name == OURS else (), warm=name == OURS)
        return [self.program, "kernel", "-f", "{connection_file}", "--policy", policy]

    def start(self, name, preload=()):
        return self.start_command(name, self.command(name, preload))

    def start_command(self, name, command):
        self._started.append(Running(self, name, command))
        return self._started[-1]

    def installed(self, name):
        """As who has just installed it and changed nothing; of ours the kernelspec's command, cold without a daemon."""
        command = self.command(name)
        if name in (OURS, COLD):
            command = [self.program, "kernel", "-f", "{connection_file}", "--policy", "notebook", "--python", self.python]
        self._started.append(Running(self, name, command, **({"CELLBLOCK_DAEMON": "0"} if name == COLD else {})))
        return self._started[-1]

    def use_for_a_while(self, code, modules):
        """A person's sessions with such a cell, until two in a row found it all in memory."""
        end, good = time.monotonic() + SETTLING, 0
        while good < 2:
            assert time.monotonic() < end, "no warm sandboxes: " + self.daemon("status")
            one = self.installed(OURS).ready()
            good = good + 1 if not one.was_cold() and one.has(modules) else 0
            one.client.run(code)
            one.stop()
            time.sleep(0.5)
            self.settle()

    def daemon(self, *words):
        done = subprocess.run([self.program, "daemon", *words], env=self.place.environment(), capture_output=True,
                              text=True, check=False, timeout=60)
        return done.stdout

    def warm_up(self, preload=()):
        """Until two kernels in a row got a warm sandbox."""
        end, good = time.monotonic() + SETTLING, 0
        while good < 2:
            assert time.monotonic() < end, "no warm sandboxes: " + self.daemon("status")
            one = self.start(OURS, preload).ready()
            one.client.run("pass").ok()
            good = 0 if one.was_cold() else good + 1
            one.stop()
            self.settle()

    def settle(self, seconds=20.0):
        """Until the daemon has made what it wants to have ready; not longer than that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pools = [one["pool"] for one in json.loads(self.daemon("status", "--json"))]
            if all(pool["ready"] >= pool["target"] and not pool["under_way"] for pool in pools):
                return
            time.sleep(0.05)

    def close(self):
        for one in self._started:  # what a failure has left
            one.stop()
        self.daemon("stop")
        self.place.remove()
