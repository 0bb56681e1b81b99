"""What must never happen: leaks, hangs, crashes, wrong results under threads."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from harness import FAKE, check, define, jit

needs_compiler = pytest.mark.skipif(FAKE, reason="needs the compiler")


def resident() -> int:
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_a_million_errors_leak_nothing() -> None:
    f = jit(define("def g(a, i):\n    b = a\n    return b[i]\n\ndef f(a, i):\n    return g(a, i)\n", "f"))
    a = np.zeros(3)

    def spend(n: int) -> None:
        for _ in range(n):
            try:
                f(a, 7)
            except IndexError:
                pass

    spend(20_000)
    gc.collect()
    before, references = resident(), sys.getrefcount(a)
    spend(1_000_000 if not FAKE else 20_000)
    gc.collect()
    assert sys.getrefcount(a) == references
    assert resident() - before < 8 << 20


def test_results_and_arguments_leak_nothing() -> None:
    f = jit(define("def f(n, a, t):\n    b = np.zeros(n)\n    b[0] = a[0]\n    return b, a, t\n"))
    a, t = np.ones(3), (1.5, 2**40, np.float32(3))
    for _ in range(1000):
        f(1000, a, t)
    gc.collect()
    before, references = resident(), sys.getrefcount(a)
    for _ in range(100_000):
        f(1000, a, t)
    gc.collect()
    assert sys.getrefcount(a) == references
    assert resident() - before < 8 << 20


def test_temporary_arrays_are_freed_when_an_error_leaves() -> None:
    f = jit(
        define(
            "def f(n, i):\n    b = np.zeros(n)\n    for k in range(3):\n        b = np.ones(n)\n    return b[i]\n"
        )
    )
    for _ in range(100):
        with pytest.raises(IndexError):
            f(10_000, 10_000)
    gc.collect()
    before = resident()
    for _ in range(5000):
        try:
            f(10_000, 10_000)
        except IndexError:
            pass
    assert resident() - before < 8 << 20


@needs_compiler
def test_dropped_functions_free_their_code() -> None:
    def once() -> weakref.ref:
        f = jit(define("def f(x):\n    s = 0\n    for i in range(x):\n        s += i * x\n    return s\n"))
        f(3)
        return weakref.ref(f)

    import linecache

    references = [once() for _ in range(50)]
    gc.collect()
    assert not any(r() for r in references)
    before = resident()
    for _ in range(1000):
        once()
        linecache.cache.clear()
    gc.collect()
    assert resident() - before < 24 << 20


def test_a_running_function_keeps_its_code() -> None:
    space = define(
        "def g(n):\n    s = 0\n    for i in range(n):\n        s += i % 7\n    return s\n"
    ).__globals__
    holder = [jit(space["g"])]
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: holder[0](20_000_000 if not FAKE else 1000))
        time.sleep(0.05)
        g = holder.pop()
        del g
        gc.collect()
        assert future.result() > 0


LOOP = "def f(n):\n    s = 0.0\n    i = 0\n    while i < n:\n        s += i * 0.5\n        i += 1\n    return s\n"


@needs_compiler
@pytest.mark.parametrize(
    "source",
    [
        LOOP,
        "def f(n):\n    s = 0\n    for i in range(n):\n        s = (s + i) & 1023\n    return s\n",
        "def f(n):\n    while True:\n        pass\n",
        "def f(n):\n    return 0 if n == 0 else f(n // 2) + f(n // 2) + f(n // 2) + f(n - 1 - n // 2)\n",
        "def g(x):\n    return x * 0.5\ndef f(n):\n    s = 0.0\n    for i in range(n):\n        s += g(i)\n    return s\n",
    ],
)
def test_keyboard_interrupt(source: str) -> None:
    f = jit(define(source, "f"))
    if f.tier(10**15) != "native":
        pytest.xfail("not native")
    # A process started in the background may have inherited that the signal is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        f(10**15)


@needs_compiler
def test_other_threads_run_meanwhile() -> None:
    f = jit(define(LOOP))
    if f.tier(10) != "native":
        pytest.xfail("not native")
    f(10)
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.005)

    thread = threading.Thread(target=tick)
    thread.start()
    f(400_000_000)
    count = len(ticks)
    stop.set()
    thread.join()
    assert count >= 5


def test_deep_recursion() -> None:
    f = define("def f(n):\n    if n == 0:\n        return 0\n    return 1 + f(n - 1)\n")
    compiled = jit(f)
    assert compiled(500) == 500
    for _ in range(3):
        with pytest.raises(RecursionError):
            compiled(10**9)
    with pytest.raises(RecursionError):
        jit(
            define(
                "def a(n):\n    return b(n) + 1\ndef b(n):\n    return a(n) + 1\ndef f(n):\n    return a(n)\n",
                "f",
            )
        )(1)


def test_recursion_limit_is_honoured() -> None:
    f = jit(define("def f(n):\n    if n == 0:\n        return 0\n    return 1 + f(n - 1)\n"))
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(5000)
        assert f(4000) == 4000
        with pytest.raises(RecursionError):
            f(6000)
    finally:
        sys.setrecursionlimit(limit)


@needs_compiler
def test_recursion_in_a_small_stack(tmp_path) -> None:
    """A huge limit does not lead beyond the real stack."""
    program = """
import sys, threading
from numlift import jit
@jit
def f(n):
    if n == 0:
        return 0
    return 1 + f(n - 1)
f(5)
if f.tier(5) != "native":
    sys.exit("not native")
sys.setrecursionlimit(10**9)
out = []
def run():
    try:
        f(10**8)
    except RecursionError:
        out.append("RecursionError")
threading.stack_size(512 * 1024)
t = threading.Thread(target=run)
t.start()
t.join()
print(f.tier(5), out)
"""
    path = tmp_path / "program.py"
    path.write_text(program)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    if "not native" in done.stderr:
        pytest.xfail("not native")
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    assert done.stdout.split() == ["native", "['RecursionError']"]


def test_huge_allocation() -> None:
    for text in ("np.zeros(n)", "np.ones((n, n))", "np.empty((n, 2), dtype=np.int8)"):
        f = jit(define(f"def f(n):\n    return {text}\n"))
        assert f(2).shape[0] == 2
        for n in (2**48, 2**60, 2**62):
            with pytest.raises((MemoryError, ValueError)) as compiled:
                f(n)
            with pytest.raises((MemoryError, ValueError)) as plain:
                f.py_func(n)
            assert isinstance(compiled.value, type(plain.value)) and str(compiled.value) == str(plain.value)


def test_concurrent_first_calls() -> None:
    for _ in range(10):
        f = jit(
            define(
                "def g(x):\n    return x * 2\n\ndef f(n, x):\n    s = 0\n    for i in range(n):\n        s += g(x)\n    return s\n",
                "f",
            )
        )
        barrier = threading.Barrier(8)

        def call(k: int) -> object:
            barrier.wait()
            return f(100, k if k % 2 else float(k))

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(call, range(8)))
        assert results == [200 * k for k in range(8)]
        if not FAKE:
            assert len(f.signatures) == 2


def test_concurrent_calls_with_errors_and_globals() -> None:
    f = define(
        "K = 1\ndef f(a, i):\n    s = 0.0\n    for j in range(50):\n        s += a[i] * K\n    return s\n"
    )
    compiled = jit(f)
    a = np.arange(4.0)
    compiled(a, 1)
    errors: list[object] = []

    def work(k: int) -> None:
        for n in range(500):
            try:
                got = compiled(a, (n + k) % 6)
                if got != 50 * ((n + k) % 6):
                    errors.append(got)
            except IndexError as e:
                if (n + k) % 6 < 4:
                    errors.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


def test_fork_after_compile() -> None:
    f = jit(define("def f(n):\n    s = 0\n    for i in range(n):\n        s += i\n    return s\n"))
    assert f(10) == 45
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str((f(10), f(11))).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"(45, 55)"
    os.close(read)
    os.close(write)


def test_deep_expressions_do_not_overflow_the_compiler() -> None:
    check(define("def f(x):\n    return " + "(" * 60 + "x" + ")" * 60 + "\n"), 3, tier=None)
    check(define("def f(x):\n    return " + " + ".join(["x"] * 1500) + "\n"), 3, tier=None)
    check(
        define(
            "def f(x):\n"
            + "".join(f"{'    ' * (k + 1)}if x > {k}:\n" for k in range(18))
            + "    " * 19
            + "x = 0\n    return x\n"
        ),
        30,
        tier=None,
    )


def test_large_functions() -> None:
    body = "".join(f"    x{k} = x{k - 1} * 3 % 1000003 + a[{k % 5}]\n" for k in range(1, 600))
    check(define(f"def f(x0, a):\n{body}    return x599\n"), 7, np.arange(5), tier=None)
    branches = "".join(f"    if x % {k} == 0:\n        s += {k}\n" for k in range(2, 200))
    check(define(f"def f(x):\n    s = 0\n{branches}    return s\n"), 720720, tier=None)


def test_calls_while_the_interpreter_exits() -> None:
    if FAKE:
        return
    program = (
        "import atexit, numlift\n"
        "exec(compile('def f(x):\\n    return x + 1\\n', '<s>', 'exec'))\n"
        "f = numlift.jit(f)\n"
        "import warnings; warnings.simplefilter('ignore')\n"
        "f(1); atexit.register(lambda: print(f(41)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.strip() == "42", done.stderr


@pytest.mark.slow
def test_interrupt_state_is_clear_afterwards() -> None:
    f = jit(define(LOOP))
    for _ in range(3):
        assert f(1000) == sum(i * 0.5 for i in range(1000))
