"""`host`: a user's place to start sandboxes from, which are warm. Run as root, every test that takes it runs twice: as root
and as an ordinary user; with --long also with sandboxes that start cold."""

import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from jails import DAEMONS, USERS, WARM, WAYS, Host  # noqa: E402


@pytest.fixture(params=[(user, warm) for warm in WAYS for user in USERS],
                ids=[user + ("" if warm == WARM else "-warm" if warm else "-cold") for warm in WAYS for user in USERS])
def host(request):
    user, warm = request.param
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cellblock-test-"))
    folder.chmod(0o755)
    yield Host(user, folder, warm)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def daemons(nothing_left):
    yield
    DAEMONS.stop()
