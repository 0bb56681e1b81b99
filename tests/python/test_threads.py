"""Threads, signals, forks and recursion around native calls."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from harness import FAKE, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

LOOP = "def f(n):\n    s = 0.0\n    i = 0\n    while i < n:\n        s += i * 0.5\n        i += 1\n    return s\n"


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-2000:])
    return done.stdout


DEFINE = """
import linecache, os, signal, sys, threading, time
import numpy as np
from numlift import jit
def define(source, name="f"):
    file = f"<{len(linecache.cache)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space = {"np": np, "__name__": "generated"}
    exec(compile(source, file, "exec"), space)
    return space[name]
"""


def compilations(monkeypatch: pytest.MonkeyPatch, during) -> list[str]:
    """Names of the functions compiled from now on; `during` runs in each compilation."""
    from numlift import _source

    names: list[str] = []
    unchanged = _source.unchanged

    def watched(function, source):
        names.append(function.__name__)
        during(function)
        return unchanged(function, source)

    monkeypatch.setattr(_source, "unchanged", watched)
    return names


def test_first_calls_compile_once(monkeypatch) -> None:
    names = compilations(monkeypatch, lambda _: time.sleep(0.05))
    f = jit(define("def f(x):\n    return x * 2\n"))
    barrier = threading.Barrier(8)

    def call(k: int) -> object:
        barrier.wait()
        return f(k if k % 2 else float(k))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [2 * k for k in range(8)]
    assert names == ["f", "f"] and len(f.specializations) == 2


def test_a_call_from_its_own_compilation(monkeypatch) -> None:
    results = []
    f = jit(define("def f(x):\n    return x * 2\n"))
    compilations(monkeypatch, lambda _: results.append(f(3)))
    assert f(4) == 8 and results == [6]
    assert f(5) == 10 and len(f.specializations) == 1


def test_threads_that_compile_do_not_wait_for_each_other(monkeypatch) -> None:
    both = {n: jit(define(f"def {n}(x):\n    return x + 1\n")) for n in ("f", "g")}
    barrier = threading.Barrier(2)

    def during(function) -> None:
        other = both["g" if function.__name__ == "f" else "f"]
        barrier.wait(10)
        assert other(1) == 2

    compilations(monkeypatch, during)
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(both[n], 1) for n in ("f", "g")]
        assert [r.result(timeout=20) for r in results] == [2, 2]


def test_an_error_of_the_compilation_frees_the_key(monkeypatch) -> None:
    from numlift import CompileError, njit

    f = njit(define("def f(x):\n    return {x: 1}\n"))
    barrier = threading.Barrier(4)

    def call(_: int) -> bool:
        barrier.wait()
        with pytest.raises(CompileError):
            f(1)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(4)))


def test_signal_while_another_thread_compiles(monkeypatch) -> None:
    interrupted = threading.Event()
    compilations(monkeypatch, lambda _: interrupted.wait(30))
    f = jit(define("def f(x):\n    return x\n"))
    thread = threading.Thread(target=lambda: f(1))
    thread.start()
    time.sleep(0.2)
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        f(1)
    assert thread.is_alive()
    interrupted.set()
    thread.join()


def test_a_forked_child_is_interruptible() -> None:
    out = run(
        DEFINE
        + f"""
f = jit(define({LOOP!r}))
f(10**6)
child = os.fork()
if child == 0:
    signal.alarm(20)
    try:
        f(10**15)
    except KeyboardInterrupt:
        os._exit(7)
    os._exit(1)
time.sleep(0.3)
os.kill(child, signal.SIGINT)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    f(10**15)
except KeyboardInterrupt:
    print("parent too")
"""
    )
    assert out.split("\n")[:2] == ["7", "parent too"]


def test_interrupt_after_the_ticker_has_parked() -> None:
    out = run(
        DEFINE
        + f"""
f = jit(define({LOOP!r}))
f(10**6)
time.sleep(1.6)
for _ in range(2):
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        f(10**15)
    except KeyboardInterrupt:
        print("interrupted")
"""
    )
    assert out.split() == ["interrupted", "interrupted"]


def test_handlers_run_in_native_loops_and_may_call_native_code() -> None:
    out = run(
        DEFINE
        + f"""
f = jit(define({LOOP!r}))
seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(f(1000)))
threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
f(150_000_000)
print(seen == [f.py_func(1000)] if seen else "no loop was long enough")
"""
    )
    assert out.strip() == "True"


def test_nogil_lets_other_threads_run() -> None:
    source = (
        "def f(a, n):\n    s = 0.0\n    for k in range(n):\n        for i in range(a.shape[0]):\n"
        "            s += a[i]\n            a[i] = s * 0.5\n    return s\n"
    )
    f = jit(nogil=True)(define(source))
    expected = f.py_func(np.ones(10), 3)
    assert f(np.ones(10), 3) == expected and f.tier(np.ones(10), 3) == "native"

    def longest_pause() -> float:
        a = np.ones(1000)
        done: list[float] = []
        thread = threading.Thread(target=lambda: done.append(f(a, 60_000)))
        pauses = [time.perf_counter()]
        thread.start()
        while thread.is_alive():
            pauses.append(time.perf_counter())
        thread.join()
        assert done
        return max(b - a for a, b in zip(pauses, pauses[1:]))

    # Another process may take the core now and then.
    assert min(longest_pause() for _ in range(3)) < 0.2


def test_nogil_keeps_the_gil_where_objects_are_touched() -> None:
    f = jit(nogil=True)(define("def f(n):\n    b = np.zeros(n)\n    b[0] = np.sin(n)\n    return b\n"))
    for _ in range(100):
        assert f(5)[0] == np.sin(5)
    g = jit(nogil=True)(define("def f(a, i):\n    return a[i]\n"))
    with ThreadPoolExecutor(4) as pool:
        a = np.arange(5.0)
        for i, r in enumerate(pool.map(lambda i: g(a, i % 5), range(2000))):
            assert r == i % 5
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 5"):
        g(a, 5)


def test_nogil_loops_are_interruptible() -> None:
    f = jit(nogil=True)(define(LOOP))
    if f.tier(10) != "native":
        pytest.xfail("not native")
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        f(10**15)


def test_the_lock_of_random_is_given_back_after_an_error() -> None:
    f = jit(define("def f(a, i):\n    x = np.random.random()\n    return a[i] + x\n"))
    a = np.zeros(3)
    f(a, 0)
    for _ in range(3):
        with pytest.raises(IndexError):
            f(a, 7)
    with ThreadPoolExecutor(1) as pool:
        assert 0 <= pool.submit(np.random.random).result(timeout=5) < 1


def test_random_from_threads() -> None:
    f = jit(
        define(
            "def f(n):\n    s = 0.0\n    for i in range(n):\n        s += np.random.random()\n    return s\n"
        )
    )
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(f, [200_000] * 8))
    assert all(90_000 < r < 110_000 for r in results)


def depth_reached(f, start: int) -> int:
    """Largest argument that does not raise RecursionError when called `start` frames deep."""

    def down(k: int, n: int) -> None:
        if k:
            down(k - 1, n)
        else:
            f(n)

    low, high = 1, 5000
    while low < high:
        middle = (low + high) // 2
        try:
            down(start, middle)
            low = middle + 1
        except RecursionError:
            high = middle
    return low


@pytest.mark.parametrize("start", [0, 100, 300])
def test_recursion_counts_the_frames_in_use(start: int) -> None:
    f = jit(define("def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\n"))
    f(3)
    assert abs(depth_reached(f, start) - depth_reached(f.py_func, start)) <= 2


def test_recursion_in_a_thread_with_a_small_stack() -> None:
    out = run(
        DEFINE
        + """
f = jit(define("def f(n):\\n    return 0 if n == 0 else 1 + f(n - 1)\\n"))
f(3)
sys.setrecursionlimit(10**8)
threading.stack_size(512 * 1024)
def work():
    try:
        f(10**7)
    except RecursionError:
        print("RecursionError", f(100))
t = threading.Thread(target=work); t.start(); t.join()
"""
    )
    assert out.split() == ["RecursionError", "100"]
