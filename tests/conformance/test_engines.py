"""Every check on every engine."""

import pytest

from . import checks, engines


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("engine", map(engines.parameter, engines.chosen()), indirect=True, scope="module")
def test_engine(engine, check):
    if check.__name__ in engines.WITHOUT.get(engine.name, ()):
        pytest.skip("%s can't keep it" % engine.name)
    engine.fresh()
    check(engine)
