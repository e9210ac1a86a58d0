"""`python -m bench.child FILE …`: `reportgen …`, which leaves the most bytes that it had resident in FILE.

What its parent could read of it counts the parent's own memory, too, which a process holds until it becomes
another program.
"""

from __future__ import annotations

import atexit
import runpy
import sys
from pathlib import Path


def resident_bytes() -> int:
    """The most that this program had resident."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Runs the command in this process."""
    file = Path(sys.argv.pop(1))
    atexit.register(lambda: file.write_text(str(resident_bytes()), encoding="utf-8"))
    runpy.run_module("reportgen", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
