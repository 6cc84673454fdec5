"""Programs outside of the project run a cell by an installed copy that was moved: examples/embed in C++, and one in Python."""

import json
import os
import subprocess
import time

import pytest
from support import kernels

BUILD = kernels.REPO / "build"
SOURCE = kernels.REPO / "examples" / "embed"
PNG = b"\x89PNG\r\n\x1a\n"


def run(*words, **options):
    """With Debian's Python, which has matplotlib."""
    variables = {**os.environ, "PATH": "/usr/bin:/bin", **options.pop("env", {})}
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, check=False,
                          env=variables, **options)


def cmake(*words):
    done = run("cmake", *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An installed copy, and not where it was installed to."""
    if not (BUILD / "cmake_install.cmake").exists():
        pytest.skip("build/ isn't configured")
    folder = tmp_path_factory.mktemp("installed")
    cmake("--install", BUILD, "--prefix", folder / "first")
    return (folder / "first").rename(folder / "moved")


@pytest.fixture(scope="module")
def embed(prefix, tmp_path_factory):
    built = tmp_path_factory.mktemp("embed")
    cmake("-S", SOURCE, "-B", built, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Debug")
    cmake("--build", built)
    return built / "embed"


def test_the_installed_python_package_finds_its_program(prefix, tmp_path):
    code = "import cellblock\nwith cellblock.Sandbox() as box: print(cellblock.find_program(), box.run('6 * 7').text)"
    variables = {"PYTHONPATH": prefix / "share/python", "JUPYTER_RUNTIME_DIR": tmp_path, "CELLBLOCK": "", "CELLBLOCK_POLICY": ""}
    done = run("/usr/bin/python3", "-c", code, env={name: str(value) for name, value in variables.items()}, cwd=tmp_path)
    assert done.stdout == f"{prefix / 'bin/cellblock'} 42\n", done.stderr
    assert {path.name for path in (prefix / "share/python").iterdir()} == {"cellblock", "pyproject.toml", "README.md"}


def test_only_the_public_headers_are_installed(prefix):
    installed = {str(path.relative_to(prefix / "include/cellblock")) for path in (prefix / "include").rglob("*.h")}
    assert installed == {f"sandbox/api/{path.name}" for path in (kernels.REPO / "sandbox/api").glob("*.h")}


def test_each_public_header_compiles_by_itself(prefix, tmp_path):
    for header in sorted((prefix / "include/cellblock").rglob("*.h")):
        (tmp_path / "one.cc").write_text(f"#include <{header.relative_to(prefix / 'include/cellblock')}>\n")
        done = run("c++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{prefix / 'include/cellblock'}",
                   tmp_path / "one.cc")
        assert done.returncode == 0, done.stderr


@pytest.mark.seconds(400)
def test_an_embedding_program_runs_a_cell_and_saves_its_figure(embed, tmp_path):
    done = run(embed, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "5050\n"), done.stderr
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG)


@pytest.mark.seconds(400)
def test_an_embedding_program_is_given_a_sandbox_of_the_daemons_pool(embed, tmp_path):
    """It finds the daemon that the installed program runs, although it is another program."""
    (tmp_path / "run").mkdir(mode=0o700)
    variables = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "CELLBLOCK_DAEMON": "1"}

    def claims():
        status = run(embed_program(embed), "daemon", "status", "--json", env=variables)
        assert status.returncode == 0, status.stderr
        return json.loads(status.stdout)[0]["claims"]["given"]

    try:
        assert run(embed, cwd=tmp_path, env=variables).returncode == 0  # it starts the daemon
        until = time.monotonic() + 60
        while claims() == 0:
            done = run(embed, cwd=tmp_path, env=variables)
            assert (done.returncode, done.stdout) == (0, "5050\n"), done.stderr
            assert time.monotonic() < until, done.stderr
    finally:
        stopped = run(embed_program(embed), "daemon", "stop", env=variables)
    assert stopped.returncode == 0, stopped.stderr


def embed_program(embed):
    """The installed program that the CMake package names."""
    flags = (embed.parent / "CMakeFiles/embed.dir/flags.make").read_text()
    return flags.split('CELLBLOCK_PROGRAM=\\"')[1].split('\\"')[0]


@pytest.mark.seconds(400)
def test_no_code_runs_where_the_installed_program_is_gone(embed, prefix, tmp_path):
    away = prefix.rename(prefix.parent / "away")
    try:
        done = run(embed, cwd=tmp_path)
    finally:
        away.rename(prefix)
    assert done.returncode == 1 and done.stdout == "" and not (tmp_path / "figure.png").exists()
    assert str(prefix / "bin/cellblock") in done.stderr and "use_program()" in done.stderr, done.stderr
