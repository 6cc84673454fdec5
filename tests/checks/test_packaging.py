"""The files of debian/, cmake/rpm and cmake/conda, held against each other and the rest of the project."""

import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEBIAN = ROOT / "debian"
SPEC = (ROOT / "cmake/rpm/cellblock.spec").read_text()
RECIPE = (ROOT / "cmake/conda/recipe.yaml").read_text()
# The build's dependencies by their names in Debian, in Fedora and in conda-forge. None: another package brings it there, or it has no use.
NAMES = {
    "catch2": ("catch-devel", None),
    "cmake": ("cmake", "cmake"),
    "cppzmq-dev": ("cppzmq-devel", "cppzmq"),
    "debhelper": (None, None),
    "dh-apparmor": (None, None),
    "dh-python": ("pyproject-rpm-macros", None),
    "g++": ("gcc-c++", '${{ compiler("cxx") }}'),
    "libboost-dev": ("boost-devel", "libboost-headers"),
    "libcli11-dev": ("cli11-devel", "cli11"),
    "libseccomp-dev": ("libseccomp-devel", "libseccomp"),
    "libsqlite3-dev": ("sqlite-devel", "libsqlite"),
    "libssl-dev": ("openssl-devel", "openssl"),
    "libsystemd-dev": ("systemd-devel", "systemd"),
    "libxml2-dev": ("libxml2-devel", "libxml2-devel"),
    "libzmq3-dev": ("zeromq-devel", "zeromq"),
    "ninja-build": ("ninja-build", "ninja"),
    "nlohmann-json3-dev": ("json-devel", "nlohmann_json"),
    "pkgconf": ("pkgconf-pkg-config", "pkg-config"),
    "pybuild-plugin-pyproject": ("python3-pip", "pip"),
    "python3-all": ("python3-devel", "python"),
    "python3-setuptools": ("python3-setuptools", "setuptools"),
    "uuid-dev": ("libuuid-devel", "libuuid"),
    "xeus-dev": ("xeus-devel", "xeus"),
    "xtl-dev": ("xtl-devel", "xtl"),
    "zlib1g-dev": ("zlib-devel", "zlib"),
}


def paragraphs(path):
    """Each paragraph of a control file: {field: its text}."""
    return [dict(re.findall(r"^([\w-]+):[ \t]*((?:.|\n(?=[ \t]))*)$", text, re.MULTILINE)) for text in path.read_text().strip().split("\n\n")]


def names(field):
    return {word.split()[0] for word in field.split(",")}


def test_the_build_needs_what_the_projects_own_list_names():
    listed = {name for purpose, name in re.findall(r"^(build|package) (\S+)$", (ROOT / "cmake/debian-packages.txt").read_text(), re.MULTILINE)}
    needed = {{"debhelper-compat": "debhelper", "dh-sequence-python3": "dh-python"}.get(name, name)
              for name in names(paragraphs(DEBIAN / "control")[0]["Build-Depends"])}
    assert needed == listed | {"nlohmann-json3-dev"} == set(NAMES)  # xeus-dev brings it


def test_the_rpm_and_the_conda_package_are_built_from_the_same():
    # The wheel's format, Fedora's own Python package of Debian's setuptools; IPython, which a unit test starts; conda's C library.
    in_spec = set(re.findall(r"^(?:%{\?with_tests:)?BuildRequires: +([^\s}]+)", SPEC, re.MULTILINE))
    assert in_spec - {"python3-ipython", "python3-wheel"} == {fedora for fedora, _ in NAMES.values() if fedora}
    needed = re.search(r"^requirements:\n(.*?)^  run:", RECIPE, re.MULTILINE | re.DOTALL)[1]
    in_recipe = {re.sub(r" >=.*", "", line) for line in re.findall(r"^    - (.*)$", needed, re.MULTILINE)}
    assert in_recipe - {'${{ stdlib("c") }}'} == {conda for _, conda in NAMES.values() if conda}


def test_all_packages_ask_for_the_same_ipython():
    program = paragraphs(DEBIAN / "control")[1]
    least = re.search(r"python3-ipython \(>= ([0-9.]+)\)", program["Depends"])[1]
    assert f'"ipython>={least}"' in (ROOT / "pyproject.toml").read_text()
    assert re.search(rf"^Requires: +python3-ipython >= {re.escape(least)}$", SPEC, re.MULTILINE)
    assert f"- ipython >={least}\n" in RECIPE


def test_the_versions_are_cmakes():
    version = re.search(r"project\(cellblock VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert re.match(rf"cellblock \({re.escape(version)}[~+)]", (DEBIAN / "changelog").read_text())
    assert f'version = "{version}"' in (ROOT / "share/python/pyproject.toml").read_text()
    assert re.search(rf"^Version: +{re.escape(version)}$", SPEC, re.MULTILINE)
    assert f'version: "{version}"' in RECIPE


def test_the_readme_names_every_package_and_test():
    readme = (DEBIAN / "README.md").read_text()
    packages = [one["Package"] for one in paragraphs(DEBIAN / "control")[1:]]
    assert packages and all(f"| `{name}` |" in readme for name in packages)
    tests = [one["Tests"] for one in paragraphs(DEBIAN / "tests/control")]
    assert tests and all(f"| `{name}` |" in readme for name in tests)
    assert {path.name for path in (DEBIAN / "tests").iterdir()} == {"control", *tests}
    assert all(os.access(DEBIAN / "tests" / name, os.X_OK) for name in tests)
