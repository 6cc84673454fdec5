"""Application.instance(), as cells find it in ipykernel: what leads to the kernel, and no more."""

from IPython.core.getipython import get_ipython
from traitlets.config.application import Application


class IPKernelApp(Application):
    name = "ipython-kernel"

    # Asked for each time: a warm Python makes this before the session's own shell is wired.

    @property
    def shell(self):
        return get_ipython()

    @property
    def kernel(self):
        return get_ipython().kernel
