"""The policy's `imports`: what a cell may import, and what libraries may."""

import pytest


@pytest.fixture(scope="module")
def gated(ready):
    with ready(imports=["math", "json", "logging", "importlib", "sys", "IPython"]) as made:
        yield made


@pytest.mark.parametrize("code", [
    "import math; math.floor(2.5)", "from math import floor; floor(2.5)", "import json.decoder; 2",
    "from __future__ import annotations; 2", "import importlib; importlib.import_module('math').floor(2.5)"])
def test_what_is_named_may_be_imported(gated, code):
    result = gated.execute(code)
    assert (result.error, result.result) == (None, "2")


@pytest.mark.parametrize("code", [
    "import os", "import os.path", "from os import getcwd", "import math, os", "__import__('os')",
    "import importlib; importlib.import_module('os')", "exec('import os')", "def f():\n    import os\nf()",
    "class C:\n    import os", "import threading"])
def test_nothing_else_may(gated, code):
    result = gated.execute(code)
    assert result.error["ename"] == "ImportError"
    assert "IPython, importlib, json, logging, math, sys" in result.error["evalue"]
    assert 'policy "default", key imports' in "\n".join(result.of("error")[0]["traceback"])


def test_a_library_imports_what_it_needs(fresh):
    host = fresh(imports=["sys", "unittest"])
    # Both of these import modules that aren't named, and for the first time.
    result = host.execute("import unittest.mock, sys; 'asyncio' in sys.modules and 'unittest' in sys.modules")
    assert (result.error, result.result) == (None, "True")


def test_a_refusal_can_be_caught_as_a_missing_library_is(gated):
    assert gated.execute("try:\n    import torch\nexcept ImportError:\n    x = 'none'\nx").result == "'none'"


def test_a_module_of_the_working_directory_must_be_named_but_may_import(fresh, tmp_path):
    (tmp_path / "helper.py").write_text("import textwrap\nWIDTH = 3\n")
    host = fresh(imports=["helper"])
    assert host.execute("import helper; helper.WIDTH").result == "3"
    (tmp_path / "other.py").write_text("")
    assert host.execute("import other").error["ename"] == "ImportError"


def test_magics_and_plots_work_whatever_is_named(fresh, has):
    has("matplotlib")
    host = fresh(imports=["matplotlib"])
    result = host.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nNone")
    assert result.error is None and any("image/png" in one["data"] for one in result.displays)
    assert host.execute("%timeit -n1 -r1 1").error is None


def test_an_empty_list_allows_nothing(fresh):
    host = fresh(imports=[])
    assert host.execute("1 + 1").result == "2"
    assert host.execute("import math").error["evalue"].endswith("allowed: nothing")


def test_without_the_key_anything_may_be_imported(host):
    assert host.execute("import os, textwrap; 1").result == "1"
