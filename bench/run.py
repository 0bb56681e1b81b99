"""Times numlift beside Numba: one process, one core, one thread, in alternation; the best batch counts.

Each result is first compared with the interpreter's, bit for bit. The first call is CPU time of compiling and
running, in a process that has compiled something else. A ratio above 1 means that Numba is faster.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "benchmarks.md", ROOT / "README.md"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", metavar="NAME,...", help="kernels whose names contain one of these"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the kernels and stop")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="what is printed")
    parser.add_argument("--seconds", type=float, default=1.0, help="time per kernel (default %(default)s)")
    parser.add_argument("--core", type=int, help="core to run on, -1 for any; the last one if not given")
    parser.add_argument(
        "--write",
        action="store_true",
        help="write the results into docs/benchmarks.md and their summary into README.md",
    )
    return parser.parse_args(arguments)


def pin(core: int | None) -> None:
    """Keeps the process on one core, where the system can do that."""
    if core == -1 or not hasattr(os, "sched_setaffinity"):
        return
    available = sorted(os.sched_getaffinity(0))
    chosen = available[-1] if core is None else core
    if chosen not in available:
        raise SystemExit(f"bench: core {chosen} is not one of {', '.join(map(str, available))}")
    os.sched_setaffinity(0, {chosen})


def main(arguments: list[str] | None = None) -> int:
    options = parsed(arguments)
    for variable in THREADS:
        os.environ[variable] = "1"
    pin(options.core)

    from kernels import KERNELS

    wanted = [part.strip().lower() for part in options.only.split(",") if part.strip()]
    chosen = [k for k in KERNELS.values() if not wanted or any(part in k.name.lower() for part in wanted)]
    if not chosen:
        print(f"bench: no kernel is named {options.only!r}; --list shows their names", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(kernel.name for kernel in chosen))
        return 0
    if options.write and wanted:
        print("bench: --write needs all kernels, not --only", file=sys.stderr)
        return 2
    try:
        import numba
    except ImportError:
        print("bench: Numba is not installed: pip install numba, or `make bench`", file=sys.stderr)
        return 2

    import report
    from measure import compiled, measure

    import numlift

    # What a compiler does once per process is no part of the first call of a kernel.
    for compiler in (numlift.jit, numba.njit):
        kernel = KERNELS["sum of int64"]
        compiled(kernel, compiler)(*kernel.arguments(kernel.small))
    rows, wrong = [], []
    for i, kernel in enumerate(chosen, start=1):
        print(f"[{i:>2}/{len(chosen)}] {kernel.name:<28}", end="", file=sys.stderr, flush=True)
        try:
            row = measure(kernel, numlift.jit, numba.njit, options.seconds)
        except AssertionError as error:
            wrong.append(str(error))
            print("WRONG RESULT", file=sys.stderr)
            continue
        rows.append(row)
        print(f"{report.shown(row.numlift):>10}{row.ratio:>8.2f} x Numba", file=sys.stderr)
    if options.format == "json":
        print(report.as_json(rows), end="")
    else:
        print(f"{report.table(rows)}\n{report.sentences(rows)}", end="")
    for text in wrong:
        print(f"bench: wrong result: {text}", file=sys.stderr)
    if options.write and not wrong:
        PAGE.write_text(report.with_results(PAGE.read_text(), rows))
        README.write_text(report.with_summary(README.read_text(), rows))
        print(f"wrote {PAGE} and the summary in {README}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
