"""`pip install cellblock` into a fresh environment of each Python that is here, and of Debian's in bare systems of its releases; nothing
is activated or configured."""

import json
import os
import zipfile

from support import kernels

WARM = "print('zygote' in open('/proc/1/cmdline').read())"


def test_what_it_brings(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        about = packed.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    assert wheel.name.endswith("-py3-none-manylinux_2_28_%s.whl" % os.uname().machine)
    licences = [name for name in names if ".dist-info/licenses/" in name]
    for library in ("zeromq3", "libxml2", "libssl", "libsqlite3", "libseccomp", "zlib1g", "xeus", "uuid", "libsodium", "nlohmann-json3",
                    "libcli11", "cppzmq", "libboost", "libstdc++"):
        assert any(library in name for name in licences), (library, licences)
    for text in ("LICENSE", "LGPL-2.1", "Apache-2.0"):  # ours, libseccomp's, OpenSSL's
        assert any(name.endswith("licenses/" + text) for name in licences), (text, licences)
    assert "Requires-Python: >=3.9" in about and "Requires-Dist: ipython>=8.5" in about
    with zipfile.ZipFile(wheel) as packed:
        program = packed.read(next(name for name in names if name.endswith("/bin/cellblock")))
    assert str(kernels.REPO).encode() not in program, "it names a folder of this machine"
    assert not [name for name in names if name.endswith(".pyc") or "/doc/" in name or name.endswith(".a")]


def test_jupyter_lists_it(installed):
    specs = json.loads(installed.run("jupyter", "kernelspec", "list", "--json").stdout)["kernelspecs"]
    assert specs["cellblock"]["spec"]["display_name"] == "Python (cellblock)"
    assert specs["cellblock"]["resource_dir"] == str(installed.folder / "share" / "jupyter" / "kernels" / "cellblock")


def test_a_notebook_runs_in_the_environments_python(installed, notebook):
    done = installed.notebook(notebook)
    assert any("image/png" in output.get("data", {}) for cell in done["cells"] for output in cell.get("outputs", []))
    prefix = installed.notebook(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": "import sys; print(sys.prefix)"}]}))
    assert "".join(prefix["cells"][0]["outputs"][0]["text"]) == "%s\n" % installed.folder


def test_the_tour_shows_what_it_always_shows(installed):
    done = installed.notebook((kernels.REPO / "examples" / "tour.ipynb").read_text())
    outputs = [output for cell in done["cells"] for output in cell.get("outputs", [])]
    assert {"image/png", "text/html", "text/markdown", "text/latex"} <= {kind for output in outputs for kind in output.get("data", {})}
    results = ["".join(output["data"]["text/plain"]) for output in outputs if output["output_type"] == "execute_result"]
    assert results[-3:] == ["'slept'", "499999500000", "'for this session only'"]


def test_the_doctor_has_nothing_to_say(installed):
    installed.run("cellblock", "doctor")


def test_a_later_start_is_warm(installed):
    for _ in range(60):
        told = installed.run("cellblock", "run", "-", stdin=WARM).stdout
        if told == "True\n":
            return
    raise AssertionError(told)


def test_the_package_finds_its_program(installed):
    code = ("import cellblock\nprint(cellblock.find_program())\nwith cellblock.Sandbox() as box:\n    print(box.run('6 * 7').text)")
    program, answer = installed.run("python", "-c", code).stdout.split()
    assert program == str(installed.folder / "bin" / "cellblock") and answer == "42"


def test_an_installed_kernelspec_names_this_environment(installed):
    installed.run("cellblock", "install", "--prefix", str(installed.home / "prefix"), "--name", "mine")
    spec = json.loads(installed.outside(installed.home / "prefix/share/jupyter/kernels/mine/kernel.json").read_text())
    assert spec["argv"][0] == str(installed.folder / "bin" / "cellblock")
    assert spec["argv"][-1].startswith(str(installed.folder / "bin" / "python"))


def test_uninstalled_it_leaves_nothing(installed, wheel):
    installed.stop()
    installed.pip("uninstall", "--yes", "cellblock")
    try:
        assert installed.files() == installed.before
    finally:
        installed.install(wheel)
