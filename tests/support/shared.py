"""A kernel that several tests use one after another."""

from . import kernels


class Shared:
    """One kernel for a module's tests; another in its stead should it be lost or stuck."""

    def __init__(self, place, **options):
        self._place, self._options, self._kernel = place, options, None

    def kernel(self):
        if self._kernel is not None and not self._healthy():
            self._kernel.stop()
            self._kernel = None
        if self._kernel is None:
            self._kernel = kernels.Kernel(self._place, **self._options)
        self._kernel.client.on_input = None
        self._kernel.client.log.clear()
        return self._kernel

    def _healthy(self):
        if not self._kernel.alive():
            return False
        try:
            self._kernel.client.fence("shell", timeout=5)
            self._kernel.client.fence("control", timeout=5)
            return True
        except Exception:  # whatever an earlier test left in the sockets
            return False

    def stop(self):
        return self._kernel.stop() if self._kernel is not None else {}


def lasting(place, **options):
    """For a module's fixture, by `yield from`: one Shared, of which nothing may be left."""
    made = Shared(place, **options)
    yield made
    left = made.stop()
    assert not left, "outlived the kernel: %s" % left
