"""Where the policy allows hosts, aiohttp goes by the variables that name the proxy, as if it had been asked to."""

import pytest

DEFAULT = "import aiohttp, inspect\ninspect.signature(aiohttp.ClientSession).parameters['trust_env'].default"
SESSION = """
import aiohttp
async def trusts(**options):
    async with aiohttp.ClientSession(**options) as session:
        return session.trust_env
"""


@pytest.fixture(scope="module")
def networked(ready):
    with ready(network="api.example.org") as made:
        yield made


@pytest.fixture(autouse=True)
def needs_aiohttp(has):
    has("aiohttp")


def test_nothing_of_it_is_imported_before_a_cell_does(fresh):
    assert fresh(network="api.example.org").execute("import sys; 'aiohttp' in sys.modules").result == "False"


@pytest.mark.parametrize("code, told", [
    (DEFAULT, "True"),
    (SESSION + "await trusts()", "True"),
    (SESSION + "await trusts(trust_env=False)", "False"),
    (SESSION + "await trusts(trust_env=True)", "True"),
    ("import aiohttp.client as module\n"
     "module.__spec__.loader is module.__loader__ and type(module.__loader__).__name__ == 'SourceFileLoader'", "True"),
    ("import inspect, aiohttp\ninspect.getsource(aiohttp.ClientSession).startswith('class ClientSession')", "True"),
    ("import aiohttp, importlib\nimportlib.reload(aiohttp.client).__name__\n" + DEFAULT, "True"),
])
def test_a_session_says_nothing_or_something(networked, code, told):
    done = networked.execute(code)
    assert (done.error, done.result) == (None, told)


def test_it_is_in_memory_before(fresh):
    assert fresh(network="api.example.org", preload=["aiohttp"]).execute(DEFAULT).result == "True"


@pytest.mark.parametrize("network", ["none", None])
def test_without_a_network_it_is_as_always(fresh, network):
    policy = {} if network is None else {"network": network}
    assert fresh(**policy).execute(DEFAULT).result == "False"
