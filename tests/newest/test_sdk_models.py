"""What share/python gives in providers' shapes, read by the newest SDKs' own models."""

import json
import pathlib
import subprocess

import pytest
from support import kernels
from support.environments import Environment

HERE = pathlib.Path(__file__).parent
WANTED = HERE / "sdks.txt"
FOLDER = kernels.REPO / "build" / "sdk-env"


@pytest.mark.long
@pytest.mark.seconds(600)
def test_each_sdk_reads_its_shape():
    sdks = Environment(FOLDER, WANTED.read_text(), "sdks.txt")
    sdks.make("/usr/bin/python3", "jupyter_client", "-r", WANTED)
    done = subprocess.run([sdks.python, HERE / "sdk_models.py", kernels.REPO / "share" / "python"], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout) == {
        "ok": {"anthropic": [False, ["text", "image"]], "openai": ["completed", ["logs", "image"]], "gemini": ["OUTCOME_OK", [True]],
               "e2b": ["7", [["text", "png"], ["text", "html"]], None]},
        "error": {"anthropic": [True, ["text"]], "openai": ["failed", ["logs"]], "gemini": ["OUTCOME_FAILED", []], "e2b": [None, [], "ValueError"]},
        "timeout": {"anthropic": [True, ["text"]], "openai": ["incomplete", ["logs"]], "gemini": ["OUTCOME_DEADLINE_EXCEEDED", []],
                    "e2b": [None, [], "CellTimeout"]},
        "killed": {"anthropic": [True, ["text"]], "openai": ["failed", ["logs"]], "gemini": ["OUTCOME_FAILED", []], "e2b": [None, [], "MemoryLimit"]},
        "empty": {"anthropic": [False, []], "openai": ["completed", []], "gemini": ["OUTCOME_OK", []], "e2b": [None, [], None]},
    }
