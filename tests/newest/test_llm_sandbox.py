"""llm-sandbox, in its newest version, with cellblock as its backend; and the same program with another import line."""

import json

import pytest
from support import kernels

PROGRAM = '''
import base64, json, sys
sys.path.insert(0, %(package)r)
import cellblock.llm_sandbox
import llm_sandbox
from llm_sandbox import ArtifactSandboxSession, SandboxSession, SecurityPolicy
from llm_sandbox.exceptions import CommandFailedError, NotOpenSessionError, SandboxTimeoutError
from llm_sandbox.security import RestrictedModule, SecurityIssueSeverity

options = {"backend": "cellblock", "program": %(program)r, "python": %(python)r}
told = {"backends": "cellblock" in [one.name for one in llm_sandbox.list_backends()]}
with SandboxSession(lang="python", keep_template=True, **options) as session:
    result = session.run("import numpy as np; print(np.mean([1, 2, 3]))", libraries=["numpy"])
    told["numbers"] = [type(result).__module__, result.stdout, result.exit_code]
    told["exit"] = session.run("import sys; print('err', file=sys.stderr); sys.exit(3)").exit_code
    chunks = []
    session.run("print('chunk')", on_stdout=chunks.append)
    told["chunks"] = "".join(chunks)
    session.copy_to_runtime(__file__, "/sandbox/in/program.py")
    told["command"] = session.execute_command("wc -l < in/program.py; pwd").stdout.split()
    session.copy_from_runtime("/sandbox/in", "got")
    told["same"] = open("got/program.py").read() == open(__file__).read()
    try:
        session.run("while True: pass", timeout=0.5)
    except SandboxTimeoutError as error:
        told["timeout"] = error.timeout_duration
    told["goes on"] = session.run("print(open('in/program.py').readline() == chr(10))").stdout
    try:
        session.install(["--option"])
    except CommandFailedError as error:
        told["packages"] = "no package's name" in str(error)
try:
    session.run("1")
except NotOpenSessionError:
    told["closed"] = True
policy = SecurityPolicy(severity_threshold=SecurityIssueSeverity.HIGH,
                        restricted_modules=[RestrictedModule(name="socket", description="x", severity=SecurityIssueSeverity.HIGH)])
with SandboxSession(security_policy=policy, **options) as session:
    told["safe"] = [session.is_safe("import socket")[0], session.is_safe("print(1)")[0]]
with ArtifactSandboxSession(**options) as session:
    result = session.run("import matplotlib.pyplot as plt\\nplt.plot([1, 2, 3], [2, 4, 6]); plt.show()")
    told["plots"] = [[one.format.value, base64.b64decode(one.content_base64)[:4].hex()] for one in result.plots]
    told["cleared"] = len(session.run("print(1)", clear_plots=True).plots)
print(json.dumps(told))
'''

CHANGED = '''
import os, sys
sys.path.insert(0, %(package)r)
os.environ["CELLBLOCK"] = %(program)r
from cellblock import SandboxSession
with SandboxSession(lang="python", keep_template=True) as session:
    result = session.run("import numpy as np; print(np.mean([1, 2, 3]))", libraries=["numpy"])
    print(result.stdout)  # "2.0"
    result = session.run("import matplotlib.pyplot as plt\\nplt.plot([1, 2, 3], [2, 4, 6]); plt.show()")
    for image in result.plots:
        print(image.content_base64[:8])
'''


@pytest.fixture
def facts():
    return {"package": str(kernels.REPO / "share" / "python"), "program": kernels.PROGRAM, "python": kernels.PYTHON}


def test_llm_sandbox_with_this_backend(run, jupyter, facts):
    done = run(str(jupyter.file("real.py", PROGRAM % facts)))
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    lines = str(PROGRAM.count("\n"))
    assert json.loads(done.stdout) == {
        "backends": True, "numbers": ["llm_sandbox.data", "2.0\n", 0], "exit": 3, "chunks": "chunk\n", "command": [lines, "/sandbox"],
        "same": True, "timeout": 0.5, "goes on": "True\n", "packages": True, "closed": True, "safe": [False, True],
        "plots": [["png", "89504e47"]], "cleared": 0}


def test_its_own_first_programs_with_another_import_line(run, jupyter, facts):
    done = run(str(jupyter.file("changed.py", CHANGED % facts)))
    assert done.stdout == "2.0\n\niVBORw0K\n", done.stdout + done.stderr[-4000:]
