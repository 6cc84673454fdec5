"""Tests side by side: which stay together, which come first, which have the machine to themselves.

tests/run's workers, each a process of pytest-xdist, take one group of tests after another; this is the order. A group is
a file, since a file's tests share a kernel. With one worker, or by hand, none of this applies.
"""

import os
import pathlib
import re
import sys

import execnet.gateway
from xdist.scheduler import LoadScopeScheduling

# What takes half a minute or more, the longest first, so that no long one comes last.
LONG = ("browser/", "unit/test_catch2", "fuzz/test_replay", "hostile/test_packages", "limits/test_deadlines", "limits/test_packages",
        "protocol/test_debugger_faults", "hostile/test_neighbours", "hostile/test_warm", "limits/test_output_floods",
        "hostile/test_contained.py", "limits/test_deaths", "hostile/test_exhaustion", "hostile/test_channel", "hostile/test_doctor", "uml/", "newest/")

BOMBS = ("hostile/test_commands.py::test_a_command_ends_and_nothing_outside_changes[nobody-a bomb",
         "hostile/test_commands.py::test_a_cell_can_end_a_command_and_no_more[nobody-no process")

# Last, one after another, while nothing else runs. A kernel that starts sweeps away what others left, so whoever looks
# for that must be the only one to start kernels; the hour compares what comes when; a cell heeds SIGINT within half a
# second only if nobody else has the processors; without namespaces the limit on processes counts those of other tests,
# and what of them end meanwhile the cell may have more; bombs among the commands took from each other once, side by side; a machine of vm/ takes all processors.
ALONE = ("limits/test_deadlines.py::test_a_cell_that_heeds_sigint", "limits/test_kill_9", "hostile/test_nothing_left",
         "hostile/test_exhaustion.py::test_a_fork_bomb_that_never_stops", *BOMBS, "hostile/test_contained.py::test_the_doctor_says",
         "hostile/test_known_escapes.py::test_changes_nothing_outside[nobody-no-namespaces",
         "conformance/test_templates.py::test_owner_and_relay_killed_at_one_blow", "hour/test_hour", "vm/")

# What tests/run makes beside the tests, and who needs it: not before the rest, unless it is there.
BESIDE = (("pypi", "browser/|newest/|hour/"), ("sanitize", r"unit/.*\[sanitize|fuzz/.*-sanitize\]"), ("tidy", "clang_tidy"),
          ("kubernetes", r"test_engine\[kubernetes|test_kubernetes\.py"))

TOGETHER = ("browser/", "kubernetes")  # one browser and one JupyterLab at a time, one cluster


def _needs(nodeid):
    return next((name for name, who in BESIDE if re.search(who, nodeid)), "")


def _is_there(name):
    folder = os.environ.get("CELLBLOCK_BESIDE")
    return not name or not folder or pathlib.Path(folder, name + ".status").exists()


def group_of(nodeid):
    """FILE@WHAT_IT_NEEDS."""
    if any(one in nodeid for one in ALONE):
        return "alone"
    file = next((one for one in TOGETHER if one in nodeid), nodeid.split("::")[0])
    return file + "@" + _needs(nodeid)


def rank_of(group):
    place = next((place for place, one in enumerate(LONG) if one in group), len(LONG))
    return group == "alone", not _is_there(group.partition("@")[2]), place


class Lanes(LoadScopeScheduling):
    """Gives the groups to the workers, those of ALONE to the last one that is left, when the others are done."""

    def _split_scope(self, nodeid):
        return group_of(nodeid)

    def _assign_work_unit(self, node):
        group = min(self.workqueue, key=rank_of)
        if group == "alone" and any(self._pending_of(work) for one, work in self.assigned_work.items() if one is not node):
            return
        self.workqueue.move_to_end(group, last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node):
        others = [one for one in self.nodes if one is not node and not one.shutting_down]
        if list(self.workqueue) == ["alone"] and others and not node.shutting_down:
            node.shutdown()  # a worker keeps its last test until it hears what comes next
        else:
            super()._reschedule(node)

    def mark_test_complete(self, node, item_index, duration=0):
        super().mark_test_complete(node, item_index, duration)
        for one in self.nodes:
            self._reschedule(one)


def keep_main_thread_for_tests(gateway):
    """Answers here what `pytest -v` asks each worker before its tests: its platform, its Python and its folder.

    execnet 1.9 runs what it is sent on the worker's main thread, or on another one if the main thread isn't known to be free
    yet. The question of `-v` is the first such piece and the tests are the second, which often comes too early. On another
    thread signal.setitimer() can't keep the bound of a test (conftest.py). A worker has this process's Python and folder.
    """
    facts = {"platform": sys.platform, "version_info": tuple(sys.version_info), "cwd": os.getcwd(), "pid": None,
             "executable": sys.executable}
    gateway._cache_rinfo = execnet.gateway.RInfo(facts)
