"""tests/benchmarks/run begins on any tree: it builds what it measures."""

import os
import pathlib
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[2]


def run(tmp_path, status):
    """With a cmake that notes what it is asked for; it configures, and builds with that status."""
    (tmp_path / "cmake").write_text('#!/bin/sh\necho "$*" >>"%s"\n[ "$1" = --preset ] || exit %d\n'
                                    % (tmp_path / "asked", status))
    (tmp_path / "cmake").chmod(0o755)
    variables = {**os.environ, "PATH": "%s:%s" % (tmp_path, os.environ["PATH"])}
    variables.pop("CELLBLOCK_BENCHMARK_BUILT", None)
    done = subprocess.run([REPO / "tests" / "benchmarks" / "run", "--quick", "--program", "/nowhere/cellblock", "starts"],
                          env=variables, capture_output=True, text=True, timeout=60, check=False)
    return done, (tmp_path / "asked").read_text().splitlines()


def test_it_builds_the_program_and_what_measures_it(tmp_path):
    done, asked = run(tmp_path, 0)
    assert asked[-1].startswith("--build") and asked[-1].endswith("--target cellblock bench_sandboxes bench_echo"), asked
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "tests/benchmarks/run: there is no program /nowhere/cellblock"


def test_a_build_that_fails_is_no_python_traceback(tmp_path):
    done, _ = run(tmp_path, 1)
    assert done.returncode == 1 and "the build failed" in done.stderr and "Traceback" not in done.stderr
