"""Jitted functions in other processes: pickling, multiprocessing, joblib, Dask; workers share the disk cache."""

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from harness import FAKE

if not FAKE:
    import numlift

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

KERNELS = """
import numpy as np
from numlift import jit

@jit(cache=True)
def smooth(a):
    out = np.empty_like(a)
    for i in range(len(a)):
        out[i] = a[max(i - 1, 0)] / 2 + a[i] / 2
    return out
"""


def run(script: str, tmp_path: Path) -> str:
    """What a script prints; none of its functions may fall back to the interpreter."""
    file = tmp_path / "script.py"
    file.write_text(textwrap.dedent(script))
    path = f"{Path(numlift.__file__).parents[1]}{os.pathsep}{tmp_path}"
    environment = {**os.environ, "PYTHONPATH": path, "NUMLIFT_CACHE_DIR": str(tmp_path / "cache")}
    environment["PYTHONWARNINGS"] = "error::numlift.NumliftFallbackWarning"
    command = [sys.executable, str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=300, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


BY_VALUE = """
import pickle, cloudpickle
from numlift import jit, njit

def scale(x):
    return x * K

K = 3

@jit(nogil=True)
def inner(x):
    return scale(x) + 1

@njit
def outer(x, n):
    if n > 0:
        return outer(inner(x), n - 1)
    return x

def make(k):
    @jit
    def add(x):
        return x + k
    return add

assert pickle.loads(pickle.dumps(outer)) is outer
with open("functions.pickle", "wb") as file:
    cloudpickle.dump((outer, make(2.5), jit(lambda x: x * 2)), file)
"""

LOAD = """
import pickle
with open("functions.pickle", "rb") as file:
    outer, add, double = pickle.load(file)
print(outer(1, 3), outer.tier(1, 3), add(1), add.tier(1), double(4), double.tier(4))
"""


def test_by_value_with_the_source(tmp_path: Path) -> None:
    run(BY_VALUE, tmp_path)
    # another text at the same place: the functions bring theirs only if there is none
    (tmp_path / "script.py").unlink()
    file = tmp_path / "loader" / "load.py"
    file.parent.mkdir()
    file.write_text(LOAD)
    environment = {**os.environ, "PYTHONPATH": str(Path(numlift.__file__).parents[1])}
    command = [sys.executable, "-W", "error", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.stdout == "40 native 3.5 native 8 native\n", done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    script = f"""
    import multiprocessing
    from numlift import jit

    @jit(cache=True)
    def square(x):
        return x * x

    if __name__ == "__main__":
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            print(pool.map(square, range(5)))
    """
    assert run(script, tmp_path) == "[0, 1, 4, 9, 16]\n"


def test_joblib(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    script = """
    import joblib
    import numpy as np
    from numlift import jit

    @jit(cache=True)
    def total(a, k):
        s = 0.0
        for x in a:
            s += x * k
        return s

    def work(k):
        result = total(np.ones(10), k)
        return result, total.tier(np.ones(10), k), len(total.stats.cache_hits)

    if __name__ == "__main__":
        total(np.ones(10), 1.0)
        rows = joblib.Parallel(n_jobs=2)(joblib.delayed(work)(float(k)) for k in range(4))
        print([(float(r), tier, hits) for r, tier, hits in rows])
        print(joblib.Parallel(n_jobs=2)(joblib.delayed(total)(np.ones(2), float(k)) for k in range(2)))
    """
    expected = [(10.0 * k, "native", 1) for k in range(4)]
    lines = run(script, tmp_path).splitlines()
    assert lines[0] == str(expected) and lines[1] in ("[0.0, 2.0]", "[np.float64(0.0), np.float64(2.0)]")


def test_dask_array(tmp_path: Path) -> None:
    pytest.importorskip("dask.array")
    (tmp_path / "kernels.py").write_text(KERNELS)
    script = """
    import dask.array as da
    import numpy as np
    import kernels

    x = np.arange(100.0)
    blocks = da.from_array(x, chunks=25)
    for scheduler in ("threads", "synchronous"):
        found = blocks.map_blocks(kernels.smooth, dtype=x.dtype).compute(scheduler=scheduler)
        plain = np.concatenate([kernels.smooth.py_func(b) for b in np.split(x, 4)])
        print(np.array_equal(found, plain), kernels.smooth.tier(x))
    """
    assert run(script, tmp_path) == "True native\n" * 2


def test_dask_cluster(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    (tmp_path / "kernels.py").write_text(KERNELS)
    script = """
    import dask.array as da
    import numpy as np
    from distributed import Client, LocalCluster
    import kernels
    from numlift import jit

    @jit(cache=True)
    def local(a):
        return a * 2.0 + 1.0

    def hits():
        import numpy as np
        kernels.smooth(np.ones(3))
        return len(kernels.smooth.stats.cache_hits)

    if __name__ == "__main__":
        kernels.smooth(np.ones(3))
        options = dict(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            x = np.arange(40.0)
            blocks = da.from_array(x, chunks=10)
            found = blocks.map_blocks(kernels.smooth, dtype=x.dtype).map_blocks(local, dtype=x.dtype).compute()
            plain = np.concatenate([kernels.smooth.py_func(b) for b in np.split(x, 4)]) * 2 + 1
            print(np.array_equal(found, plain), sorted(client.run(hits).values()))
    """
    assert run(script, tmp_path) == "True [1, 1]\n"


def test_what_has_no_name_needs_cloudpickle() -> None:
    f = numlift.jit(lambda x: x + 1)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(f)
    assert f(np.float64(1)) == 2
