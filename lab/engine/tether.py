"""Start a program that dies with the engine: ``python -I -S tether.py PARENT PROGRAM [ARG...]``.

Linux sends the signal set here when the parent's spawning thread ends, kill -9 included, so a
plugin or the user's program never outlives its engine. The setting survives the execv.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("cannot tie this process to the engine: prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit(1)  # the engine was gone before the tie was made
    os.execv(command[0], command)  # noqa: S606 - the command is a fixed argv


if __name__ == "__main__":
    main()
