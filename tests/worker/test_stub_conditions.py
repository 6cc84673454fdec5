"""jedi finds the same, in the same order, whether it remembers the conditions in stubs or not."""

import json
import subprocess

from host import PYTHON, WORKER_FOLDER

# Each once to fill jedi's own caches, which is no matter here.
PROGRAM = '''
import json, os, signal, subprocess, sys
import jedi
sys.path.insert(0, sys.argv[1])
from cellblock_worker import stub_conditions
from jedi.inference import flow_analysis

codes = ["os.path.", "signal.", "subprocess.Popen(['a']).", "'text'.", "sys.", "import mmap\\nmmap.",
         "import sys\\nif sys.platform == 'win32':\\n    here = 1\\nelse:\\n    here = 'text'\\nhere."]
checked = []


def found():
    checked.clear()
    every = [jedi.Interpreter(code, [globals()]).complete() for code in codes]
    return [[(one.name, one.type, one.complete) for one in some] for some in every]


def counted(context, node, check_if=flow_analysis._check_if):
    checked.append(node)
    return check_if(context, node)


flow_analysis._check_if = counted
found()
before, all_checks = found(), len(checked)
stub_conditions.remember()
found()
print(json.dumps({"same": before == found(), "checks": [all_checks, len(checked)], "names": sum(map(len, before))}))
'''


def test_the_same_is_found_with_fewer_checks(has):
    has("jedi")
    done = subprocess.run([PYTHON, "-c", PROGRAM, str(WORKER_FOLDER)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["same"] and told["names"] > 200, told
    assert told["checks"][1] < told["checks"][0] / 2, told
