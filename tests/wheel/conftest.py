"""The wheel, and environments that it is installed into as a user does: `pip install`, nothing else."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from support import kernels, leftovers, pythons
from support.environments import Environment

# Packages of a user's environment, beside the wheel. Each Python takes the versions that matrix/rows.txt has tested.
BESIDE = ["nbclient==0.10.2", "ipykernel==6.29.5"]
PACKAGES_OF = {"3.9": "oldest", "3.10": "py310", "3.11": "py312", "3.12": "py312", "3.13": "py313", "3.14": "py314"}
RUN_NOTEBOOK = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, kernel_name="cellblock", timeout=120).execute()
print(nbformat.writes(notebook))
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "wheel":
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.seconds(1500))


@pytest.fixture(scope="session")
def wheel():
    subprocess.run([kernels.REPO / "cmake" / "wheel" / "build"], check=True, timeout=1400)
    found, = (kernels.REPO / "build" / "wheel" / "dist").glob("cellblock-*.whl")
    return found


def row(name):
    lines = (kernels.REPO / "tests" / "matrix" / "rows.txt").read_text().splitlines()
    return next(line.split()[2:] for line in lines if line.split()[:1] == [name])


class Installed:
    """An environment that isn't active: neither PATH nor a variable names it."""

    def __init__(self, folder, home):
        self.folder, self.home = folder, home
        self.variables = {"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "LC_ALL": "C.UTF-8",
                          **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}}
        (home / "run").mkdir(mode=0o700)
        (home / "notebooks").mkdir()

    def run(self, program, *arguments, stdin="", check=True):
        done = subprocess.run([self.folder / "bin" / program, *arguments], input=stdin, env=self.variables, cwd=self.home / "notebooks",
                              capture_output=True, text=True, timeout=600, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def pip(self, *arguments):
        return self.run("python", "-m", "pip", "--disable-pip-version-check", *arguments)

    def notebook(self, path):
        return json.loads(self.run("python", "-c", RUN_NOTEBOOK, str(path)).stdout)

    def files(self):
        """All of it but what Python compiles of other packages when they are first used."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")
                if "__pycache__" not in path.parts or "cellblock" in str(path)}

    def stop(self):
        if (self.folder / "bin" / "cellblock").exists():
            self.run("cellblock", "daemon", "stop")
            assert leftovers.wait_until(lambda: self.run("cellblock", "daemon", "status", "--json").stdout.strip() in ("", "[]"), 20)


@pytest.fixture(scope="module", params=PACKAGES_OF)
def installed(request, wheel, tmp_path_factory):
    base, why = pythons.find(request.param)
    if base is None:
        pytest.skip(why)
    made = Environment(kernels.REPO / "build" / "wheel" / ("python" + request.param), base + request.param, "base.txt")
    made.make(base, *row(PACKAGES_OF[request.param]), *BESIDE)
    home = tmp_path_factory.mktemp("home")
    environment = Installed(made.folder, home)
    environment.before = environment.files()
    environment.pip("install", "--quiet", str(wheel))
    yield environment
    environment.stop()
    environment.pip("uninstall", "--yes", "cellblock")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def notebook():
    return pathlib.Path(kernels.REPO / "examples" / "quickstart.ipynb")
