"""Finds the rewrite of the optimiser that breaks a program: the least fuel with which it fails.

`python tests/python/bisect_rewrites.py COMMAND...` runs the command, which fails where the program is wrong, with
`NUMLIFT_OPT_FUEL` set to one number after the other. Each compilation of the command gets that fuel.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

#: More rewrites than any function has.
MOST = 1 << 20


def least_failing(fails: Callable[[int], bool], most: int = MOST) -> int | None:
    """The least fuel that fails, if more fuel does not heal what less has broken; None if `most` does not fail."""
    if not fails(most):
        return None
    if fails(0):
        return 0
    passing, failing = 0, 1
    while not fails(failing):
        passing, failing = failing, min(2 * failing, most)
    while failing - passing > 1:
        middle = (passing + failing) // 2
        if fails(middle):
            failing = middle
        else:
            passing = middle
    return failing


def main(command: Sequence[str]) -> str:
    def fails(fuel: int) -> bool:
        environment = {**os.environ, "NUMLIFT_OPT_FUEL": str(fuel)}
        code = subprocess.run(command, env=environment, capture_output=True).returncode
        print(f"{'fails' if code else 'passes'} with fuel {fuel}", file=sys.stderr)
        return code != 0

    match least_failing(fails):
        case None:
            return "it does not fail"
        case 0:
            return "it fails without any rewrite: the optimiser is not the reason"
        case fuel:
            return (
                f"rewrite {fuel} breaks it: compare inspect_mir() with NUMLIFT_OPT_FUEL={fuel - 1} and {fuel}"
            )


if __name__ == "__main__":
    print(main(sys.argv[1:]))
