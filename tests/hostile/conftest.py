"""`host`: a user's place to start sandboxes from. Run as root, every test that takes it runs twice: as root
and as an ordinary user."""

import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from jails import DAEMONS, USERS, Host  # noqa: E402


@pytest.fixture(params=USERS)
def host(request):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cellblock-test-"))
    folder.chmod(0o755)
    yield Host(request.param, folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def daemons(nothing_left):
    yield
    DAEMONS.stop()
