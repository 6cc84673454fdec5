"""Magics that mean something else in a sandbox, or in a notebook."""

import sys

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magics.config import ConfigMagics

from . import requirements


@magics_class
class SandboxMagics(Magics):
    @line_magic
    def pip(self, line):
        """Installs packages, where the policy allows it."""
        words = requirements.words_of(line)
        if words[:1] == ["install"]:
            self.shell.packages.install(words[1:], no_packages_text(self.shell.policy_facts, "%pip " + line))
        else:
            self._no_packages("pip", line)

    @line_magic
    def conda(self, line):
        """Packages can't be installed in a sandbox."""
        self._no_packages("conda", line)

    @line_magic
    def mamba(self, line):
        """Packages can't be installed in a sandbox."""
        self._no_packages("mamba", line)

    @line_magic
    def micromamba(self, line):
        """Packages can't be installed in a sandbox."""
        self._no_packages("micromamba", line)

    @line_magic
    def uv(self, line):
        """Packages can't be installed in a sandbox."""
        self._no_packages("uv", line)

    def _no_packages(self, program, line):
        if program == "pip" and line.split()[:1] in (["list"], ["show"], ["freeze"], ["check"]):
            self.shell.system("%s -m pip %s" % (sys.executable, line))
            return
        raise UsageError(no_packages_text(self.shell.policy_facts, "%%%s %s" % (program, line)))

    @line_magic
    def clear(self, line):
        """Clear the output of the cell."""
        self.shell.display_pub.clear_output()

    @line_magic
    def edit(self, line):
        """An editor can't be opened from a sandbox."""
        raise UsageError("an editor can't be opened from a sandbox; %load brings a file's text into a cell, and %%writefile "
                         "writes a cell to a file")

    ed = line_magic("ed")(edit)

    @line_magic
    def less(self, line):
        """Show a file through the pager."""
        if not line:
            raise UsageError("Missing filename.")
        from IPython.core import page
        with open(line) as file:
            page.page(file.read())

    @line_magic
    def more(self, line):
        """Show a file through the pager."""
        self.less(line)

    @line_magic
    def config(self, line):
        """Configure IPython; InlineBackend is known before matplotlib is imported."""
        known = any(type(one).__name__ == "InlineBackend" for one in self.shell.configurables)
        if not known and (not line.strip() or line.strip().startswith("InlineBackend")):
            from . import figures
            figures.configure_inline(self.shell)
        # Through the class: an instance's `config` is its configuration.
        return ConfigMagics.config(self, line)

    @line_magic
    def connect_info(self, line):
        """A sandbox has no connection file."""
        raise UsageError("the connection file stays outside of the sandbox")

    @line_magic
    def qtconsole(self, line):
        """Programs with windows can't be opened from a sandbox."""
        raise UsageError("programs with windows can't be opened from a sandbox")


def no_packages_text(facts, command):
    allowed = facts.get("packages")
    if allowed:
        return ("%s: use %%pip install here; the policy allows %s (policy \"%s\", key packages.allow)"
                % (command.strip(), ", ".join(allowed), facts.get("name", "?")))
    return ("packages can't be installed in this sandbox (%s): its Python, %s, is read-only and there is no "
            "network. Install the package there from outside, choose another Python (key python), or let who keeps "
            'the policy allow packages (policy "%s", key packages.allow).'
            % (command.strip(), sys.executable, facts.get("name", "?")))
