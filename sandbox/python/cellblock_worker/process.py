"""A worker's process: which signals it finds reset, who may look into it, and how it ends."""

import os
import signal

# Those that a warden ignores. A worker finds their defaults, as a program does that was just started.
WORKER_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
                  signal.SIGUSR2, signal.SIGALRM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
PR_SET_DUMPABLE = 4
FAILED = 70  # exit status of a worker that met what it didn't expect


def set_dumpable(value):
    """Who isn't dumpable is closed to other processes of its user: no /proc/PID/mem, environ or fd, no ptrace."""
    import _ctypes  # ctypes itself takes five times as long to import
    prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")
    if _ctypes.call_cdeclfunction(prctl, (PR_SET_DUMPABLE, value, 0, 0, 0)) != 0:
        raise OSError("prctl(PR_SET_DUMPABLE) failed")


def run_and_leave(work):
    """Runs work(), and ends this process as a program would end."""
    status = FAILED
    try:
        work()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(status)
