"""What mixed execution costs: entering islands, wholly dynamic functions, loops inside mixed functions.

`bench/islands.py` prints a table; with `--calls 1000000` it makes that many mixed calls and says how
references and memory have changed. Each time is the best of many batches, in alternation with the
interpreter's.
"""

import argparse
import gc
import resource
import sys
import time
import types
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from numlift import jit

#: Turns of a loop whose every turn enters an island.
TURNS = 2000


class Case(NamedTuple):
    """A function beside another one; times in nanoseconds.

    per: what a call is divided by; allowed: the most, given the other's time.
    """

    name: str
    what: str
    function: Callable[..., Any]
    other: Callable[..., Any]
    arguments: tuple[Any, ...]
    per: int
    allowed: Callable[[float], float]


def best(functions: list[Callable[[], Any]], seconds: float) -> list[float]:
    """Nanoseconds of one call of each, measured in alternation."""
    batches = []
    for f in functions:
        start = time.perf_counter_ns()
        f()
        spent = time.perf_counter_ns() - start
        batches.append(max(1, 2_000_000 // max(spent, 1)))
    found = [float("inf")] * len(functions)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for i, (f, n) in enumerate(zip(functions, batches, strict=True)):
            start = time.perf_counter_ns()
            for _ in range(n):
                f()
            found[i] = min(found[i], (time.perf_counter_ns() - start) / n)
    return found


# ---- islands that are entered in each turn of a compiled loop -----------------------------------------


def items(d, key, a):
    t = 0.0
    for i in range(a.size):
        t += a[i] * a[i] + a[i] * 0.5 + (a[i] - 1.0) * (a[i] + 1.0) + a[i] * a[i] * a[i] - a[i] * 3.0
        d[key] = i
    return t


def items_alone(d, key, sums):
    for i, _ in enumerate(sums):
        d[key] = i


def appends(out, a):
    t = 0.0
    for i in range(a.size):
        t += a[i] * a[i] + a[i] * 0.5 + (a[i] - 1.0) * (a[i] + 1.0) + a[i] * a[i] * a[i] - a[i] * 3.0
        out.append(t)
    out.clear()
    return t


def appends_alone(out, sums):
    for _, t in enumerate(sums):
        out.append(t)
    out.clear()


def texts(out, a):
    t = 0.0
    for i in range(a.size):
        t += a[i] * a[i] + a[i] * 0.5 + (a[i] - 1.0) * (a[i] + 1.0) + a[i] * a[i] * a[i] - a[i] * 3.0
        out["x"] = f"{i} of {t}"
    return t


def texts_alone(out, sums):
    for i, t in enumerate(sums):
        out["x"] = f"{i} of {t}"


def empty(sums):
    for _, _ in enumerate(sums):
        pass


def partial_sums(a):
    """What `t` is in each turn, for the text of a number costs what its type and its digits do."""
    t, sums = 0.0, []
    for x in a:
        t += x * x + x * 0.5 + (x - 1.0) * (x + 1.0) + x * x * x - x * 3.0
        sums.append(t)
    return sums


# ---- functions without a loop worth compiling ---------------------------------------------------------


def nothing(x):
    return [x]


def words(text):
    out = {}
    for word in text.split():
        out[word] = out.get(word, 0) + 1
    return out


# ---- loops in mixed functions -------------------------------------------------------------------------


def native_sum(a, s):
    t = 0.0
    for i in range(a.size):
        t += a[i] * s
    return t


def mixed_sum(d, a):
    s = d["scale"]
    t = 0.0
    for i in range(a.size):
        t += a[i] * s
    d["t"] = t
    return t


def item_sum(d, a):
    t = 0.0
    for i in range(a.size):
        t += a[i] * d["scale"]
    return t


def attribute_sum(o, a):
    t = 0.0
    for i in range(a.size):
        t += a[i] * o.scale
    return t


def state_sum(o, a):
    t = 0.0
    for i in range(o.state.size):
        t += o.state[i] * o.scale
    return t


def cases() -> list[Case]:
    a = np.linspace(0.0, 1.0, TURNS)
    large = np.linspace(0.0, 1.0, 200_000)
    settings = {"scale": 0.5}
    holder = types.SimpleNamespace(scale=0.5, state=large)

    def island(what: str, f: Any, alone: Any, with_: tuple[Any, ...]) -> Case:
        return Case("island", what, f, alone, (with_, a), TURNS, lambda t: 1.5 * t + 150)

    def dynamic(what: str, f: Any, *with_: Any) -> Case:
        return Case("dynamic", what, f, f, with_, 1, lambda t: 1.05 * t + 100)

    def loop(what: str, f: Any, with_: Any) -> Case:
        return Case("loop", what, f, native_sum, (with_, large), 1, lambda t: 1.05 * t)

    return [
        island("d[key] = i", items, items_alone, ({}, "k")),
        island("out.append(t)", appends, appends_alone, ([],)),
        island('out["x"] = f"{i} of {t}"', texts, texts_alone, ({},)),
        dynamic("[x]", nothing, 1.0),
        dynamic("words of a text", words, "a b c a b a " * 5),
        loop('s = d["scale"], d["t"] = t', mixed_sum, settings),
        loop('d["scale"] in the loop', item_sum, settings),
        loop("o.scale in the loop", attribute_sum, holder),
        loop("o.state[i] * o.scale", state_sum, holder),
    ]


def measured(case: Case, seconds: float) -> tuple[float, float]:
    """Of the function and of what it is compared with."""
    compiled = jit(case.function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.name == "island":
            front, a = case.arguments
            kernel = jit(without_island)
            for _ in range(4):
                compiled(*front, a)
                kernel(a)
            sums = partial_sums(a)
            both = [
                lambda: compiled(*front, a),
                lambda: kernel(a),
                lambda: case.other(*front, sums),
                lambda: empty(sums),
            ]
            mixed, native, alone, bare = best(both, seconds)
            assert compiled.tier(*front, a) == "mixed", case.what
            return (mixed - native) / case.per, (alone - bare) / case.per
        if case.name == "loop":
            first, a = case.arguments
            native = jit(native_sum)
            for _ in range(4):
                compiled(first, a)
                native(a, 0.5)
            mixed, plain = best([lambda: compiled(first, a), lambda: native(a, 0.5)], seconds)
            assert compiled.tier(first, a) == "mixed", case.what
            return mixed, plain
        for _ in range(4):
            compiled(*case.arguments)
        mixed, plain = best([lambda: compiled(*case.arguments), lambda: case.other(*case.arguments)], seconds)
        assert compiled.tier(*case.arguments) == "interpreter", case.what
        return mixed, plain


def without_island(a):
    t = 0.0
    for i in range(a.size):
        t += a[i] * a[i] + a[i] * 0.5 + (a[i] - 1.0) * (a[i] + 1.0) + a[i] * a[i] * a[i] - a[i] * 3.0
    return t


def many(n: int) -> int:
    """Makes mixed calls of all kinds; 0 if references and memory stay."""
    compiled = [jit(f) for f in (mixed_sum, item_sum, attribute_sum, items, texts, nothing)]
    a, d, o, out = np.ones(4), {"scale": 0.5}, types.SimpleNamespace(scale=10**6), {}
    f, g, h, p, q, r = compiled
    calls = [
        lambda: f(d, a),
        lambda: g(d, a),
        lambda: h(o, a),
        lambda: p(out, "k", a),
        lambda: q(out, a),
        lambda: r(o),
    ]

    def run(n: int) -> None:
        for _ in range(n // len(calls)):
            for call in calls:
                call()

    objects = [a, d, o, out, d["scale"], o.scale, None, "k"]

    def state() -> tuple[list[int], int]:
        gc.collect()
        pages = int(open("/proc/self/statm").read().split()[1])
        return [sys.getrefcount(x) for x in objects], pages * resource.getpagesize() // 1024

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(20_000)
        before, resident = state()
        start = time.perf_counter()
        run(n)
        spent = time.perf_counter() - start
        after, then = state()
    changed = [y - x for x, y in zip(before, after, strict=True)]
    print(
        f"{n} calls in {spent:.1f} s: references {changed}, "
        f"resident memory {then - resident:+d} KiB of {resident}"
    )
    return int(any(abs(c) > 2 for c in changed) or then - resident > 512)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bench/islands.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="time per case (default %(default)s)")
    parser.add_argument("--calls", type=int, help="make that many mixed calls instead")
    options = parser.parse_args()
    if options.calls:
        return many(options.calls)
    print(f"{'':8} {'':28} {'numlift':>12} {'beside':>12} {'allowed':>12}")
    worse = 0
    for case in cases():
        ours, other = measured(case, options.seconds)
        allowed = case.allowed(other)
        worse += ours > allowed
        note = "  more than allowed" if ours > allowed else ""
        print(f"{case.name:8} {case.what:28} {ours:9.0f} ns {other:9.0f} ns {allowed:9.0f} ns{note}")
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main())
