"""A session in a fork of a warm Python can't be told from one that was started cold."""

import pathlib
import tempfile

import pytest
from jails import USERS, Host

STATE = pathlib.Path(__file__).with_name("session_state.py").read_text()
PLOT = ("import pandas, matplotlib.pyplot\npandas.DataFrame({'a': range(9)}).plot()\nmatplotlib.pyplot.show()\n"
        "pandas.DataFrame({'a': [1]})._repr_html_()\n")
LIBRARIES = ["pandas", "matplotlib.pyplot"]
LISTING_FONTS = {"encodings.utf_16_be"}  # what matplotlib needs to make its list of fonts, where it finds none


def differences(cold, warm, at=""):
    """[(where, in the cold one, in the warm one)]"""
    if type(cold) is type(warm) is dict:
        return [one for key in sorted({*cold, *warm})
                for one in differences(cold.get(key, "nothing"), warm.get(key, "nothing"), "%s/%s" % (at, key))]
    if type(cold) is type(warm) is list and len(cold) == len(warm):
        return [one for place, pair in enumerate(zip(cold, warm)) for one in differences(*pair, "%s/%d" % (at, place))]
    return [] if cold == warm else [(at, cold, warm)]


def state(host, code, preload):
    return host.value(code + STATE, policy={"preload": preload})


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(("preload", "first"), [([], ""), (LIBRARIES, ""), (LIBRARIES, PLOT)],
                         ids=["plain", "preloaded", "plotted"])
def test_it_is_as_new_as_a_cold_one(user, preload, first):
    found = []
    for warm in (False, True):
        with tempfile.TemporaryDirectory(prefix="cellblock-test-") as made:
            folder = pathlib.Path(made)
            folder.chmod(0o755)
            host = Host(user, folder, warm=warm)
            found.append(state(host, first, preload))
            line = host.out("print(open('/proc/1/cmdline').read())", policy={"preload": preload})
            assert ("zygote/main.py" in line) == warm
    *cold, cold_modules = found[0]
    *warm, warm_modules = found[1]
    assert differences(cold, warm) == []
    assert set(cold_modules) - set(warm_modules) <= LISTING_FONTS
