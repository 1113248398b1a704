"""Tie a program's life to the process that starts it, then become that program.

`python tether.py PARENT SIGNAL USER PROGRAM ARGUMENT…`: when PARENT dies, however it dies, PROGRAM gets
SIGNAL. A launcher of its own: `preexec_fn` is not safe beside threads, which supervisor and tests have.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_make() -> None:
    """Hear as SIGTERM that the `make` which started this is dead: killed, it tells its children nothing."""
    if sys.platform == "linux" and "MAKELEVEL" in os.environ:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))


def main() -> None:
    parent, signal_number, user, *command = sys.argv[1:]
    if user and os.geteuid() == 0:
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number))
        if os.getppid() != int(parent):
            sys.exit("tether: who started this is gone already")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
