"""pydantic-ai's own suite for workspaces, against cellblock.pydantic_ai."""

import os
import sys

import pytest
from pydantic_ai.workspaces.conformance import WorkspaceBackendSuite

sys.path.insert(0, os.environ["CELLBLOCK_PACKAGE"])

from cellblock.pydantic_ai import CellblockBackend  # noqa: E402

PYTHON = os.environ["CELLBLOCK_PYTHON"]


@pytest.fixture
def anyio_backend():
    return "asyncio"


class TestCellblock(WorkspaceBackendSuite):
    @pytest.fixture
    async def backend(self):
        made = CellblockBackend(python=PYTHON)
        yield made
        await made.delete()

    @pytest.fixture
    async def fresh_backend(self):
        made = []

        def make():
            made.append(CellblockBackend(python=PYTHON))
            return made[-1]

        yield make
        for one in made:
            await one.delete()

    @pytest.fixture
    def attach_backend(self):
        return CellblockBackend

    @pytest.fixture
    def destroy_environment(self):
        return lambda backend: backend.delete()
