"""cmake/conda/recipe.yaml, read by rattler-build. No channel of conda is asked, so nothing is built."""

import json
import subprocess

import pytest
from support import kernels
from support.environments import Environment

WANTED = "py-rattler-build==0.73.0\n"
FOLDER = kernels.REPO / "build" / "conda-env"
RENDER = """
import json, sys
import rattler_build
recipe = rattler_build.Stage0Recipe.from_file(sys.argv[1])
variants = rattler_build.VariantConfig({"cxx_compiler": ["gxx"], "c_stdlib": ["sysroot"], "python": ["3.12.*", "3.14.*"]})
rendered = [variant.recipe.to_dict() for variant in recipe.render(variants)]
print(json.dumps(rendered, default=str))
"""


@pytest.mark.long
@pytest.mark.seconds(300)
def test_rattler_build_reads_the_recipe():
    tool = Environment(FOLDER, WANTED, "test_conda_recipe.py")
    tool.make("/usr/bin/python3", *WANTED.split())
    done = subprocess.run([tool.python, "-c", RENDER, kernels.REPO / "cmake/conda/recipe.yaml"], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    rendered = json.loads(done.stdout)
    assert [one["package"]["name"] for one in rendered] == ["cellblock"] * 2  # for each Python
    for one in rendered:
        assert "gxx_linux-64" in one["requirements"]["build"][0]
        assert one["about"]["license"] == "BSD-3-Clause"
