"""`python -m thin_api ARGUMENTS` for as long as somebody holds the other end of standard input.

However a replay ends, killed included, the server it started for itself goes with it.
"""

import os
import runpy
import signal
import sys
import threading


def _leave_when_alone() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_leave_when_alone, daemon=True).start()
    runpy.run_module("thin_api", run_name="__main__", alter_sys=True)
