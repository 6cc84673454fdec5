"""A cell's text is transformed as IPython's own manager does it, also where that isn't asked."""

RANDOM = r'''
import random
from IPython.core.inputtransformer2 import TransformerManager
manager = get_ipython().input_transformer_manager
plain = type(manager).transform_cell.__globals__["NOT_PLAIN"]
pieces = ["x", "f(x)", " = ", " ", "\n", "\n", "    ", "def f():\n    pass", "'", '"', '"""', "(", ")", "[", "{", "#", "await y", "ls", "y.z",
          "%", "%%time", "!", "!ls", "?", "...", "... ", ">>> ", ">", "In [1]: ", "In ", "[ins] ", ",", ",f x", ";", ";f", "/", "/f", "\\",
          "\t", "\r", "\f", "é", "\u2028", "\x85", "$", "@", "~", "`", ":", "1", "."]
chance = random.Random(1)
found = {"plain": 0, "other": 0}
for _ in range(6000):
    text = "".join(chance.choice(pieces) for _ in range(chance.randint(0, 7)))
    if plain.search(text):
        found["other"] += 1
    else:
        found["plain"] += 1
        assert manager.transform_cell(text) == TransformerManager.transform_cell(manager, text), ascii(text)
assert min(found.values()) > 500, found
'''

OWN = r'''
manager = get_ipython().input_transformer_manager
%(change)s
print(manager.transform_cell("a = 1"), end="")
'''


def test_what_is_known_to_be_plain_would_stay_as_it_is(host):
    result = host.execute(RANDOM)
    assert result.status == "ok", result.error


def test_nothing_is_changed_by_others_than_ipython(host):
    for text, changed in (("%pwd", True), ("x = !ls", True), ("x?", True), (">>> 1", True), ("...\n...", True), ("...", False), ("  1", True), ("1 # %", False)):
        result = host.execute("print(get_ipython().input_transformer_manager.transform_cell(%r) != %r)" % (text, text + "\n"))
        assert result.stdout == "%s\n" % changed, text


def test_transformations_of_a_sessions_own_get_every_cell(fresh):
    for change in ("manager.cleanup_transforms.append(lambda lines: [line.replace('a', 'b') for line in lines])",
                   "manager.line_transforms.append(lambda lines: ['b = 1\\n'])",
                   "get_ipython().input_transformers_cleanup[:] = [lambda lines: ['b = 1\\n']]"):
        host = fresh()
        assert host.execute(OWN % {"change": change}).stdout == "b = 1\n", change
    host = fresh()
    host.execute("get_ipython().input_transformers_post.append(lambda lines: [line.replace('a', 'b') for line in lines])")
    assert host.execute("a = 1").status == "ok" and host.execute("print(b)").stdout == "1\n"
