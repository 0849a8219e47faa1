"""Children that do work, in forks of a process that has imported all."""

import json
import os
import sys
import traceback
import warnings
from hashlib import sha256

from kill_cases import CASES, remains

DONE, FAILED = 0, 1


def fork(action):
    """Do an action in a fork of this process; return the number of the child."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            status = action()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return child


def wait_for(child):
    """Return the exit status of a child; that of a signal is negative."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(action):
    """Do an action in a fork of this process; return its exit status."""
    return wait_for(fork(action))


def do(case, folder, results):
    """Do the work of a case; write the digests of what it makes to a file."""
    warnings.simplefilter("ignore")
    made = CASES[case](folder)
    digests = {name: sha256(content).hexdigest() for name, content in made.items()}
    results.write_text(json.dumps(digests | {"remains": remains(folder)}))
    return DONE
