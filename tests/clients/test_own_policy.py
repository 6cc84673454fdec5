"""A policy for one session, under the kernelspec of all."""

import pytest

pytestmark = pytest.mark.cellblock_only("options of cellblock")

@pytest.mark.parametrize("way", ["option", "variable", "variable before option"])
def test_a_session_has_the_policy_that_was_asked_for_last(start, place, way):
    policies = {name: place.policy(name, imports=[name, "os"]) for name in ("json", "math", "string")}
    more = {"option": {"extra": ["--policy", policies["math"]]},
            "variable": {"environment": {"CELLBLOCK_POLICY": policies["math"]}},
            "variable before option": {"extra": ["--policy", policies["string"]],
                                       "environment": {"CELLBLOCK_POLICY": policies["math"]}}}[way]
    client = start(place=place, policy=policies["json"], **more).client
    assert client.run("import math; math.floor(4.2)").result == "4"
    for other in ("json", "string"):
        assert client.run("import " + other).status == "error"


def test_an_empty_variable_says_nothing(start, place):
    client = start(place=place, policy=place.policy("math", imports=["math"]), environment={"CELLBLOCK_POLICY": ""}).client
    assert client.run("import math; math.floor(4.2)").result == "4"


def test_a_policys_old_words_work_and_the_log_names_the_new_ones(start, place):
    kernel = start(place=place, policy=place.policy("old", best_effort=False, pool={"most": 3}))
    assert kernel.client.run("1 + 1").result == "2"
    for word in ("allow_unenforced", "pool.max"):
        assert word in kernel.said()
