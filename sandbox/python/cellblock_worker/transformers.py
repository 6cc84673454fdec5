"""IPython's transformations of a cell's text: magics, shell commands, help, prompts. Plain Python is known without them.

IPython splits each cell into tokens to find them, which takes longer than a short cell's own work. A text without the
characters and words with which its own transformations begin would come out as it went in, so it isn't given to them. A
session that has added transformations of its own, or taken one away, gives them every cell.
"""

import re

from IPython.core import inputtransformer2
from IPython.core.inputtransformer2 import TransformerManager

# The beginnings of each: magics and shell commands, help (`?`), prompts of Python, of IPython and of its vi mode, an
# indented or empty first line, and `,`, `;` or `/` as a line's first character. Lines may be ended or joined by
# characters that are no plain text.
NOT_PLAIN = re.compile(r"[%!?\\]|[^\n\x20-\x7e]|>>>|\.\.\.|In \[|\[ins\]|\[nav\]|(?:^|\n) *[,;/]|\A[ \n]|\A\Z")
KNOWN = ("leading_empty_lines", "leading_indent", "classic_prompt", "ipython_prompt", "cell_magic",
         "MagicAssign", "SystemAssign", "EscapedCommand", "HelpEnd")


class Transformers(TransformerManager):
    def __init__(self):
        super().__init__()
        known = [getattr(inputtransformer2, name, None) for name in KNOWN]
        self._own = self._all() if all(one in known for one in self._all()) else None

    def _all(self):
        return [*self.cleanup_transforms, *self.line_transforms, *self.token_transformers]

    def transform_cell(self, cell):
        if self._own is None or NOT_PLAIN.search(cell) or self._all() != self._own:
            return super().transform_cell(cell)
        return cell if cell.endswith("\n") else cell + "\n"
