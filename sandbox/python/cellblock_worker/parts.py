"""The parts of a session that IPython and the libraries see: the shell, its kernel, its comms."""

from . import application, comms, displays, hints, ipykernel_names, kernel, magics, packages, shell, startup


class Parts:
    def __init__(self, lines, facts, questions):
        startup.change_process()
        self.kernel = kernel.Kernel()
        self.shell = shell.make_shell(self.kernel)
        self.shell.display_formatter.format(0)  # makes the formatters, as a first result would
        self.shell.attach(lines.channel, lines.pipes, facts, questions)
        self.shell.hints = hints.Hints(facts)
        self.shell.packages = packages.Packages(lines.channel, lines.pipes, facts)
        self.comms = comms.install(self.kernel)
        self.comms.attach(lines.channel, lines.pipes)
        self.kernel.comm_manager = self.comms
        application.IPKernelApp.instance()
        self.kernel.banner = self.shell.banner
        ipykernel_names.install(shell.ZMQInteractiveShell, displays.Publisher, displays.ResultHook, magics.SandboxMagics,
                                self.comms.comm_class, comms.CommManager)
