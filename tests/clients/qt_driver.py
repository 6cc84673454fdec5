"""qtconsole's own program without a screen, typed into as by a person; tells what it shows. Run by test_qtconsole.py.

Arguments: the kernel's name, then what to do: "cell:CODE" runs it, "tab:CODE" asks for a completion of it,
"answer:TEXT" answers a question. After each it waits until the console is ready for the next, and prints one line of JSON.
"""

import json
import os
import re
import sys
import time

from qtconsole.qtconsoleapp import JupyterQtConsoleApp
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

PATIENCE = 30.0
IMAGE = "\ufffc"  # what stands for a picture in a document's text


class Driver:
    def __init__(self, kernel):
        self.app = JupyterQtConsoleApp()
        self.app.initialize(["--kernel", kernel, "--no-confirm-exit", "--ConsoleWidget.include_other_output=False"])
        self.app.window.show()
        self.console = self.app.widget
        self.page = self.console._control
        self.wait(lambda: self.prompts() == 1, "the first prompt")

    def wait(self, happened, what):
        end = time.monotonic() + PATIENCE
        while not happened():
            if time.monotonic() > end:
                raise SystemExit("no %s; the console shows:\n%s" % (what, self.page.toPlainText()))
            self.app.app.processEvents()
            time.sleep(0.01)

    def prompts(self):
        return len(re.findall(r"^In \[\d+\]:", self.page.toPlainText(), re.M)) if not self.console._executing else -1

    def asked(self):
        return self.console._reading and self.console._executing

    def type(self, text):
        QTest.keyClicks(self.page, text)

    def cell(self, code):
        before = self.prompts()
        self.type(code)
        QTest.keyClick(self.page, Qt.Key_Return)
        self.wait(lambda: self.prompts() == before + 1 or self.asked(), "end of the cell or question")

    def tab(self, code):
        self.type(code)
        QTest.keyClick(self.page, Qt.Key_Tab)
        self.wait(lambda: len(self.console.input_buffer) > len(code), "completion")

    def answer(self, text):
        self.type(text)
        QTest.keyClick(self.page, Qt.Key_Return)
        self.wait(lambda: self.prompts() > 0, "end of the cell")

    def state(self):
        text = self.page.toPlainText()
        return {"text": text, "pictures": text.count(IMAGE), "typed": self.console.input_buffer, "asked": self.asked()}

    def leave(self):
        self.console.kernel_client.stop_channels()
        self.console.kernel_manager.shutdown_kernel()


def main(kernel, steps):
    driver = Driver(kernel)
    try:
        for step in steps:
            what, _, text = step.partition(":")
            getattr(driver, what)(text)
            print(json.dumps(driver.state()), flush=True)
    finally:
        driver.leave()
    os._exit(0)  # Qt's own clean-up can crash, and isn't what is tested


main(sys.argv[1], sys.argv[2:])
