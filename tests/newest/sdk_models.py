"""A program: what share/python makes of a Result for providers, given to their own SDKs' models. Prints what they understood as JSON."""

import base64
import json
import sys

sys.path.insert(0, sys.argv[1])

import cellblock  # noqa: E402
from anthropic.types import ToolResultBlockParam  # noqa: E402
from e2b_code_interpreter import Execution, Logs, Result  # noqa: E402
from e2b_code_interpreter.models import ExecutionError  # noqa: E402
from google.genai import types as gemini  # noqa: E402
from openai.types.responses import ResponseCodeInterpreterToolCall  # noqa: E402
from openai.types.responses.response_code_interpreter_tool_call_param import ResponseCodeInterpreterToolCallParam  # noqa: E402
from pydantic import TypeAdapter  # noqa: E402

PNG = b"\x89PNG\r\n\x1a\nrest"
shown = (cellblock.Output({"text/plain": "<Figure>", "image/png": base64.b64encode(PNG).decode() + "\n"}),
         cellblock.Output({"text/plain": "7", "text/html": "<b>7</b>"}, is_main_result=True))
failed = cellblock.Error("ValueError", "no", "Traceback: no")
results = {
    "ok": cellblock.Result("code", "ok", stdout="out\n", results=shown, execution_count=3),
    "error": cellblock.Result("code", "error", stderr="err\n", error=failed),
    "timeout": cellblock.Result("code", "timeout", error=cellblock.Error("CellTimeout", "stopped", "")),
    "killed": cellblock.Result("code", "killed", error=cellblock.Error("MemoryLimit", "too much", "")),
    "empty": cellblock.Result("code", "ok"),
}
block = TypeAdapter(ToolResultBlockParam)
item = TypeAdapter(ResponseCodeInterpreterToolCallParam)
told = {}
for name, result in results.items():
    one = told[name] = {}
    taken = block.validate_python(result.to_anthropic("toolu_1"))
    assert set(result.to_anthropic("toolu_1")) <= set(ToolResultBlockParam.__annotations__)
    one["anthropic"] = [taken["is_error"], [part["type"] for part in taken["content"]]]
    made = result.to_openai("ci_1", "cntr_1")
    call = ResponseCodeInterpreterToolCall.model_validate(made)
    item.validate_python(made)
    assert not call.model_extra, call.model_extra
    one["openai"] = [call.status, [output.type for output in call.outputs or []]]
    parts = [gemini.Part.model_validate(part) for part in result.to_gemini()]
    one["gemini"] = [parts[0].code_execution_result.outcome.value, [part.inline_data.data == PNG for part in parts[1:]]]
    made = result.to_e2b()
    execution = Execution(results=[Result(**each) for each in made["results"]], logs=Logs(**made["logs"]),
                          error=made["error"] and ExecutionError(**made["error"]), execution_count=made["execution_count"])
    one["e2b"] = [execution.text, [list(each.formats()) for each in execution.results], execution.error and execution.error.name]
print(json.dumps(told))
