"""The sources themselves: how they are laid out, what clang-tidy says of them, which may include or import which."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import arrows  # noqa: E402
import tidy  # noqa: E402
from tidy import ROOT, sources  # noqa: E402


def test_format():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, sources("kernel", "sandbox", "tests/unit"))],
                          capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, "clang-format -i mends this:\n" + done.stderr[-8000:]


TOP = {"CMakeLists.txt", "CMakePresets.json", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "pyproject.toml",
       "cmake", "debian", "examples", "kernel", "sandbox", "share", "tests"}


def test_nothing_strays_at_the_top():
    """Programs that are tried in the repository's folder leave files there, and `git add` takes them. Names with a dot are tools' own."""
    done = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode != 0:
        pytest.skip("this is no clone: " + done.stderr.strip())
    found = {name.partition("/")[0] for name in done.stdout.splitlines()}
    assert {name for name in found if not name.startswith(".")} == TOP


def room_of(path):
    return path.rpartition("/")[0]


def test_a_room_includes_only_what_the_table_allows():
    allowed = arrows.table()
    wrong = [f"{path} includes {other}" for path, others in arrows.includes().items() for other in others
             if other.startswith(("sandbox/", "kernel/")) and room_of(other) not in allowed[room_of(path)]]
    assert not wrong, "tests/checks/arrows.py says which room may include which:\n" + "\n".join(wrong)


def test_a_library_is_included_by_its_room_alone():
    wrong = [f"{path} includes {other}" for path, others in arrows.includes().items() for other in others
             for library, rooms in arrows.LIBRARIES.items() if re.match(library, other) and room_of(path) not in rooms]
    assert not wrong, "\n".join(wrong)


def test_cmake_has_the_same_table():
    others_than_libraries = {"jail_library", "helper"}  # programs, and what is built apart
    for wing, rooms in (("sandbox", arrows.SANDBOX), ("kernel", arrows.KERNEL)):
        expected = {room: others.split() for room, others in rooms.items() if room not in others_than_libraries}
        assert arrows.rooms_of_cmake(wing) == expected


def test_there_is_no_circle_of_rooms_or_of_files():
    files = arrows.includes()
    assert not arrows.circle_in({path: [other for other in others if other in files] for path, others in files.items()})
    assert not arrows.circle_in({room: others - {room} for room, others in arrows.table().items()})


def test_a_python_room_imports_only_what_the_table_allows():
    wrong = []
    for module, others in arrows.python_imports().items():
        room = arrows.python_room(module)
        allowed = {room, *arrows.PYTHON[room].split()}
        wrong += [f"{module} imports {other}" for other in others if arrows.python_room(other) not in allowed
                  and other not in allowed]
    assert not wrong, "tests/checks/arrows.py says which room of sandbox/python may import which:\n" + "\n".join(wrong)


def test_there_is_no_circle_of_python_modules():
    modules = arrows.python_imports()
    assert len(modules) > 40 and modules["cellblock_worker.lines"]
    assert not arrows.circle_in(modules)
    rooms = {}
    for module, others in modules.items():
        rooms.setdefault(arrows.python_room(module), set()).update(map(arrows.python_room, others))
    assert not arrows.circle_in({room: others - {room} for room, others in rooms.items()})


def test_two_folders_of_tests_that_are_no_packages_have_no_module_of_one_name():
    # pytest imports both under that name, and runs none of the second's tests.
    modules = {}
    for module in sorted((ROOT / "tests").rglob("test_*.py")):
        if not (module.parent / "__init__.py").exists():
            modules.setdefault(module.name, []).append(str(module.relative_to(ROOT)))
    assert not [paths for paths in modules.values() if len(paths) > 1]


@pytest.mark.seconds(1800)
def test_clang_tidy():
    if os.environ.get("CELLBLOCK_FAST_TESTS"):
        pytest.skip("clang-tidy was left out (--fast)")
    found = tidy.findings(os.cpu_count())
    assert not found, found
