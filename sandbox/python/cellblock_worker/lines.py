"""What leads out of the worker: its socket, descriptors 1 and 2, and the signals that come in."""

from .channel import Channel
from .interrupts import Interrupts
from .pipes import Pipes


class Lines:
    def __init__(self):
        self.interrupts = Interrupts()
        self.channel = Channel(self.interrupts)
        self.pipes = Pipes(self.channel, self.interrupts)
        self.interrupts.request_waits = self.channel.has_unread

    def open(self, fd):
        """`fd`: the socket. Before this nothing has a descriptor."""
        self.channel.open(fd)
        self.interrupts.open()  # whose handler looks into the channel
        self.pipes.open()
