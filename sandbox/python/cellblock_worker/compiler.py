"""The file names of cells, as ipykernel gives them: warnings, logging and debuggers show them.

A name is a hash of the cell's text (MurmurHash2), so that a client can tell it too, under a folder that isn't there
until a debugger asks for a cell's file.
"""

import functools
import os
import struct

from IPython.core.compilerop import CachingCompiler

SEED = 0xC70F6907
SUFFIX = ".py"
_FACTOR = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data, seed):
    words, rest = divmod(len(data), 4)
    value = seed ^ len(data)
    for word in struct.unpack_from("<%dI" % words, data):
        word = word * _FACTOR & _MASK
        word = (word ^ word >> 24) * _FACTOR & _MASK
        value = value * _FACTOR & _MASK ^ word
    if rest:
        value = (value ^ int.from_bytes(data[-rest:], "little")) * _FACTOR & _MASK
    value = (value ^ value >> 13) * _FACTOR & _MASK
    return value ^ value >> 15


@functools.lru_cache(maxsize=None)
def prefix():
    """Another one for each worker, though its pid is always the same: a client tells by it that its cells' files are gone."""
    # Not tempfile.gettempdir(): it tries to write there, and a cell must run on a full disk too.
    folder = os.environ.get("TMPDIR", "/tmp")
    return os.path.join(folder, "ipykernel_%d" % int.from_bytes(os.urandom(4), "big"), "")


def file_name(code):
    return prefix() + str(murmur2(code.encode("utf-8", "surrogatepass"), SEED)) + SUFFIX


class Compiler(CachingCompiler):
    file_name_of = staticmethod(file_name)  # a debugger knows some cells by other names

    def get_code_name(self, raw_code, transformed_code, number):
        return self.file_name_of(raw_code)
