"""smolagents' CodeAgent with cellblock.smolagents, and a model of canned answers."""

import os
import sys

import pytest
from smolagents import CodeAgent, Tool
from smolagents.models import ChatMessage, MessageRole, Model
from smolagents.utils import AgentError

sys.path.insert(0, os.environ["CELLBLOCK_PACKAGE"])

from cellblock.smolagents import CellblockExecutor  # noqa: E402


class Canned(Model):
    def __init__(self, *codes):
        super().__init__(model_id="canned")
        self.codes = list(codes)
        self.seen = []

    def generate(self, messages, **_):
        self.seen.append(str(messages[-1].content))
        return ChatMessage(role=MessageRole.ASSISTANT, content="Thought: so.\n<code>\n%s\n</code>" % self.codes.pop(0))


class Greet(Tool):
    name = "greet"
    description = "Greets."
    inputs = {"name": {"type": "string", "description": "whom"}}
    output_type = "string"

    def forward(self, name: str) -> str:
        return "hello " + name


@pytest.fixture
def executor():
    made = CellblockExecutor(python=os.environ["CELLBLOCK_PYTHON"])
    yield made
    made.cleanup()


def test_an_agent_with_variables_tools_and_state(executor):
    model = Canned("x = greet(name) + '!'\nprint(x)", "open('a.txt', 'w').write(x)\n1/0",
                   "import os\nfinal_answer({'x': x, 'files': os.listdir(), 'user': os.path.exists(%r)})" % __file__)
    with CodeAgent([Greet()], model, executor=executor, verbosity_level=0) as agent:
        answer = agent.run("Greet.", additional_args={"name": "Ada"})
    assert answer == {"x": "hello Ada!", "files": ["a.txt"], "user": False}
    assert "hello Ada!" in model.seen[1] and "ZeroDivisionError" in model.seen[2]


def test_values_and_pictures(executor):
    assert executor("6 * 7").output == "42" and executor("print('seen')").logs == "seen\n"
    shown = executor("import matplotlib.pyplot as plt\nplt.plot([1, 4]); plt.show()")
    assert shown.output.size[0] > 100 and not shown.is_final_answer


def test_time_and_pickles(executor):
    with pytest.raises(AgentError, match="stopped"):
        CellblockExecutor(python=os.environ["CELLBLOCK_PYTHON"], timeout=0.5)("while True: pass")
    with pytest.raises(Exception, match="ickle"):
        executor("class FinalAnswerException(Exception): pass\nraise FinalAnswerException('pickle:gASV')")


def test_a_package_that_cant_be_had():
    policy = {"packages": {"index": "http://127.0.0.1:9/simple", "allow": ["no_such_package_of_ours"], "time": "20s"}}
    with pytest.raises(AgentError):
        CellblockExecutor(["no_such_package_of_ours", "json"], python=os.environ["CELLBLOCK_PYTHON"], policy=policy)
