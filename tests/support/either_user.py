"""Tests that run for root or for an ordinary user, not for both: what they are about doesn't go by the user.

Half of the tests of these modules run as root, the other half as the ordinary user, so that each module is seen as both.
Whatever keeps a cell from the host (files, processes, the system calls, users of the host) always runs as both, and so does all
with tests/run --long.
"""

import os
import re
import zlib

from support import kernels

MODULES = ("clients/test_run_command", "hostile/test_kept_files", "hostile/test_packages", "hostile/test_warm", "limits/test_audit",
           "limits/test_clock_jumps", "limits/test_daemon_survives", "limits/test_deadlines", "limits/test_kept_files",
           "limits/test_network", "limits/test_output_floods", "limits/test_packages", "limits/test_pool.py", "limits/test_secrets",
           "limits/test_warm_by_default", "limits/test_warm_kernels", "hostile/test_file_requests.py::test_an_agent_that_was_stopped")
NAMES = re.compile(r"\b(root|%s)\b" % kernels.ORDINARY_USER)


def left_to_the_other(item):
    """Of the two, the one whose turn it isn't. A test that one of them can't do is marked `both_users`."""
    if os.environ.get("CELLBLOCK_LONG_TESTS") or os.getuid() != 0 or os.environ.get("CELLBLOCK_TEST_USER") \
            or not any(one in item.nodeid for one in MODULES) or item.get_closest_marker("both_users"):
        return False
    user = NAMES.search(getattr(getattr(item, "callspec", None), "id", ""))
    return user is not None and (zlib.crc32(NAMES.sub("", item.nodeid).encode()) % 2 == 0) != (user[0] == "root")
