"""The known vulnerabilities of what is installed: `audit.py`, by pip-audit.

The exit status is 0 if there is none, and 1 if there is one. Where nothing was audited
it is 3 if no database of them can be reached, and 2 if pip-audit is not there or fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--skip-editable", "--format", "json"),
    *("--progress-spinner", "off"),
)
_SERVICES = ("pypi", "osv")
# in the names of errors of requests and urllib3, and in pip-audit's own messages
_OF_NETWORK = ("ConnectionError", "Could not connect", "HTTPError", "Timeout")


def main() -> int:
    """Ask each database until one answers; print the findings."""
    unreachable = False
    for service in _SERVICES:
        done = subprocess.run(
            [*_COMMAND, "--vulnerability-service", service],
            capture_output=True,
            text=True,
        )
        packages = read_answer(done.stdout)
        if packages:
            return tell(packages, service)
        unreachable |= packages is not None or is_of_network(done.stderr)
        print(f"{service} knows no package: {last_line(done.stderr)}")
    if unreachable:
        print("No database of vulnerabilities can be reached: nothing was audited.")
        return 3
    print("pip-audit is not installed, or failed: nothing was audited.")
    return 2


def read_answer(text: str) -> list[dict[str, Any]] | None:
    """Return the packages that a database knows, or None if there is no answer."""
    if not text.startswith("{"):
        return None
    packages = json.loads(text)["dependencies"]
    return [each for each in packages if "skip_reason" not in each]


def is_of_network(message: str) -> bool:
    """Tell whether a message says that a database could not be reached."""
    return any(word in last_line(message) for word in _OF_NETWORK)


def tell(packages: list[dict[str, Any]], service: str) -> int:
    """Print the vulnerabilities of the packages, and return the exit status."""
    found = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in "
        f"{', '.join(flaw['fix_versions']) or 'no version'}"
        for each in packages
        for flaw in each["vulns"]
    ]
    print(*found, sep="\n", end="\n" if found else "")
    print(
        f"{len(packages)} packages known by {service}: {len(found)} known "
        "vulnerabilities."
    )
    return 1 if found else 0


def last_line(text: str) -> str:
    """Return the last line of a text that is not empty."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


if __name__ == "__main__":
    sys.exit(main())
