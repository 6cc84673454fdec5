"""The files of debian/, held against the rest of the project."""

import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEBIAN = ROOT / "debian"


def paragraphs(path):
    """Each paragraph of a control file: {field: its text}."""
    return [dict(re.findall(r"^([\w-]+):[ \t]*((?:.|\n(?=[ \t]))*)$", text, re.MULTILINE)) for text in path.read_text().strip().split("\n\n")]


def names(field):
    return {word.split()[0] for word in field.split(",")}


def test_the_build_needs_what_the_projects_own_list_names():
    listed = {name for purpose, name in re.findall(r"^(build|package) (\S+)$", (ROOT / "cmake/debian-packages.txt").read_text(), re.MULTILINE)}
    needed = {{"debhelper-compat": "debhelper", "dh-sequence-python3": "dh-python"}.get(name, name)
              for name in names(paragraphs(DEBIAN / "control")[0]["Build-Depends"])}
    assert needed == listed


def test_the_versions_are_cmakes():
    version = re.search(r"project\(cellblock VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert re.match(rf"cellblock \({re.escape(version)}[~+)]", (DEBIAN / "changelog").read_text())
    assert f'version = "{version}"' in (ROOT / "share/python/pyproject.toml").read_text()


def test_the_readme_names_every_package_and_test():
    readme = (DEBIAN / "README.md").read_text()
    packages = [one["Package"] for one in paragraphs(DEBIAN / "control")[1:]]
    assert packages and all(f"| `{name}` |" in readme for name in packages)
    tests = [one["Tests"] for one in paragraphs(DEBIAN / "tests/control")]
    assert tests and all(f"| `{name}` |" in readme for name in tests)
    assert {path.name for path in (DEBIAN / "tests").iterdir()} == {"control", *tests}
    assert all(os.access(DEBIAN / "tests" / name, os.X_OK) for name in tests)


def test_the_program_asks_for_an_ipython_that_the_wheel_takes_too():
    program = paragraphs(DEBIAN / "control")[1]
    least = re.search(r"python3-ipython \(>= ([0-9.]+)\)", program["Depends"])[1]
    assert f'"ipython>={least}"' in (ROOT / "pyproject.toml").read_text()
