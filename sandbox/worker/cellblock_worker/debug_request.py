"""One request of a debugger's client, and its answer."""

from . import jsontext


class Failed(Exception):
    """The text goes to the client."""


class Request:
    """To be answered once."""

    def __init__(self, channel, number, message):
        self._channel = channel
        self._number = number
        self._seq = message.get("seq", 0) if isinstance(message, dict) else 0
        self.command = message.get("command", "") if isinstance(message, dict) else ""
        self.arguments = message.get("arguments") or {} if isinstance(message, dict) else {}

    def _answer(self, success, **more):
        return {"type": "response", "seq": self._seq, "request_seq": self._seq, "success": success,
                "command": self.command, **more}

    def _send(self, answer):
        if not self._channel.reply(self._number, jsontext.dump(answer)):
            self.fail("the answer is larger than 8 MiB")

    def succeed(self, body=None):
        self._send(self._answer(True, body={} if body is None else body))

    def fail(self, reason):
        body = {"breakpoints": []} if self.command == "setBreakpoints" else {}  # JupyterLab looks there first
        self._send(self._answer(False, message=reason, body=body))

    def relay(self, response):
        """What the adapter answered, under the client's numbers."""
        self._send({**response, **self._answer(bool(response.get("success")))})
