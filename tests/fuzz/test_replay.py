"""Each fuzz target takes each file of its corpus: under the sanitizers, or plain, or both."""

import pathlib
import subprocess

import pytest
from support.beside import builds, program_of

HERE = pathlib.Path(__file__).resolve().parent
pytestmark = pytest.mark.seconds(1500)  # the first one may wait for a build
TARGETS = sorted(source.stem for source in (HERE / "targets").glob("*.cc"))


@pytest.mark.parametrize("build", builds())
@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target, build):
    program = program_of(build, "fuzz/fuzz_" + target)
    files = sorted(str(file) for file in (HERE / "corpus" / target).iterdir())
    assert files, "a target without a corpus"
    done = subprocess.run([str(program), *files], capture_output=True, text=True, timeout=120, errors="replace")
    assert done.returncode == 0, done.stderr[-6000:]


def test_each_corpus_has_its_target():
    assert sorted(folder.name for folder in (HERE / "corpus").iterdir()) == TARGETS
