"""A kernelspec named as the tests want it, found by Jupyter's own programs."""

import json
import os

import pytest
from support import kernels

NAME = "cellblock-under-test"


@pytest.fixture(scope="session")
def spec_place(one_user):
    """A Place whose data folder holds the kernelspec."""
    made = kernels.Place(one_user)
    folder = made.root / "data" / "kernels" / NAME
    folder.mkdir(parents=True)
    argv = kernels.default_command()
    if kernels.CHOSEN == "cellblock":
        argv += ["--policy", "default"]
    spec = {"argv": argv, "display_name": "under test", "language": "python", "interrupt_mode": "message",
            "env": {"PATH": made.environment()["PATH"]}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    yield made
    made.remove()


@pytest.fixture
def jupyter(spec_place, monkeypatch):
    """This process's environment becomes the place's, for libraries that start kernels from here."""
    for name in [name for name in os.environ if name.startswith(("JUPYTER", "IPYTHON", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in spec_place.environment().items():
        monkeypatch.setenv(name, value)
    return spec_place
