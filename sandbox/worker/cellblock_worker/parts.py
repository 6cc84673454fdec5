"""The parts of a session that can be made before it has a channel: the shell, its kernel, its comms.

A worker makes them at its start. A warm Python makes them before it forks; they wait in the memory of each fork, and a
worker makes them its own. The warden never touches them, so that each of its workers finds them new.
"""

from . import comms, displays, ipykernel_names, kernel, magics, shell

_early = None


class Parts:
    def __init__(self):
        self.kernel = kernel.Kernel()
        self.shell = shell.make_shell(self.kernel)
        self.comms = comms.install(self.kernel)
        self.kernel.comm_manager = self.comms
        self.kernel.banner = self.shell.banner
        ipykernel_names.install(shell.ZMQInteractiveShell, displays.Publisher, displays.ResultHook, magics.SandboxMagics,
                                self.comms.comm_class, comms.CommManager)

    def attach(self, channel, pipes, facts, questions):
        self.shell.attach(channel, pipes, facts, questions)
        self.comms.attach(channel, pipes)


def make_early():
    global _early
    _early = Parts()


def take():
    global _early
    parts, _early = _early or Parts(), None
    return parts
