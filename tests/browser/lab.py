"""A notebook in JupyterLab or Notebook 7, driven as a person does it: by mouse and keyboard."""

import re
import time

PATIENCE = 60_000  # ms
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"


class Notebook:
    """One that is open in a page. Cells count from 0."""

    def __init__(self, page, server, name, front="lab/tree"):
        self.page = page
        self.name = name
        page.set_default_timeout(PATIENCE)
        page.goto("%s/%s/%s%s" % (server.address, front, name, "?reset" if front.startswith("lab") else ""))
        page.wait_for_selector(PANEL + " .jp-Cell")
        self.accept_kernel()
        server.wait_connected(name)
        self.wait_idle()

    def accept_kernel(self):
        """Some versions ask for the kernel that the notebook names."""
        for _ in range(10):
            if self.page.locator(".jp-Dialog button.jp-mod-accept").count():
                self.page.click(".jp-Dialog button.jp-mod-accept")
                return
            if self.page.locator("[data-status=idle]").count():
                self.page.wait_for_timeout(300)
                if not self.page.locator(".jp-Dialog").count():
                    return
            self.page.wait_for_timeout(200)

    def wait_idle(self):
        self.page.wait_for_selector(PANEL + " .jp-Notebook-ExecutionIndicator[data-status=idle]")

    def status(self):
        return self.page.locator(PANEL + " .jp-Notebook-ExecutionIndicator").first.get_attribute("data-status")

    def cell(self, number):
        return self.page.locator(PANEL + " .jp-Notebook .jp-Cell").nth(number)

    def outputs(self, number):
        return self.cell(number).locator(".jp-OutputArea-output")

    def text(self, number):
        return "".join(self.outputs(number).all_inner_texts())

    def click(self, number):
        self.cell(number).locator(".cm-content").click()

    def start(self, number):
        self.click(number)
        self.page.keyboard.press("Control+Enter")

    def prompt(self, number):
        return self.cell(number).locator(".jp-InputPrompt").inner_text()

    def wait_done(self, number, seconds=60):
        """Until the cell's prompt is a number."""
        end = time.monotonic() + seconds
        while not re.fullmatch(r"\[\d+\]:", self.prompt(number).strip()):
            assert time.monotonic() < end, "cell %d: %r, %s" % (number, self.prompt(number), self.text(number)[-500:])
            self.page.wait_for_timeout(100)

    def wait_text(self, number, words, seconds=60):
        end = time.monotonic() + seconds
        while words not in self.text(number):
            assert time.monotonic() < end, "no %r in %r" % (words, self.text(number)[-2000:])
            self.page.wait_for_timeout(100)

    def run(self, number):
        self.start(number)
        self.page.wait_for_timeout(100)
        self.wait_done(number)
        return self.text(number)

    def type(self, number, text):
        """Into the cell, in place of what is there."""
        self.click(number)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.press("Delete")
        self.page.keyboard.type(text)

    def menu(self, *names):
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(names[0], exact=True).click()
        for name in names[1:]:
            self.page.locator(".lm-Menu-itemLabel").get_by_text(name, exact=True).first.click()

    def accept(self):
        self.page.click(".jp-Dialog button.jp-mod-accept")
        self.page.wait_for_selector(".jp-Dialog", state="detached")

    def button(self, command):
        self.page.locator(PANEL + " [data-jp-item-name=%s]" % command).first.click()

    def run_all(self):
        self.menu("Run", "Run All Cells")
