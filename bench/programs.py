"""Five programs in NumPy's style, compiled by numlift and Numba and run by the interpreter."""

import math

import numpy as np
from islands import best

from numlift import jit


def advection(u, c, steps):
    """Upwind advection with periodic ends, and the mass at each step."""
    mass = np.zeros(steps)
    for k in range(steps):
        new = np.empty_like(u)
        new[1:] = u[1:] - c * (u[1:] - u[:-1])
        new[0] = u[0] - c * (u[0] - u[-1])
        u = new
        mass[k] = u.sum()
    return u, mass


def k_means(x, centers, rounds):
    """Lloyd's algorithm: the nearest centre of each point, then the mean of each centre's points."""
    n, k = x.shape[0], centers.shape[0]
    label = np.zeros(n, dtype=np.int64)
    for _ in range(rounds):
        for i in range(n):
            d = ((centers - x[i]) ** 2).sum(axis=1)
            label[i] = np.argmin(d)
        for j in range(k):
            mine = x[label == j]
            if mine.shape[0] > 0:
                centers[j] = mine.sum(axis=0) / mine.shape[0]
    return centers, label


def n_body(p, v, m, dt, steps):
    """Gravity among bodies, one acceleration at a time."""
    n = p.shape[0]
    a = np.zeros_like(p)
    for _ in range(steps):
        for i in range(n):
            d = p - p[i]
            r = (d * d).sum(axis=1) + 1e-3
            w = m / (r * np.sqrt(r))
            for k in range(3):
                a[i, k] = np.dot(w, d[:, k])
        v += dt * a
        p += dt * v
    return 0.5 * np.dot(m, (v * v).sum(axis=1))


def attention(q, k, v):
    """Softmax attention, one row at a time."""
    out = np.zeros((q.shape[0], v.shape[1]))
    scale = 1.0 / np.sqrt(q.shape[1])
    for i in range(q.shape[0]):
        s = np.dot(k, q[i]) * scale
        e = np.exp(s - s.max())
        out[i] = np.dot(e / e.sum(), v)
    return out


def image_filter(image, rounds):
    """A blur of nine neighbours, then sharpening and clipping."""
    for _ in range(rounds):
        blur = np.zeros_like(image)
        blur[1:-1, 1:-1] = (
            image[:-2, :-2]
            + image[:-2, 1:-1]
            + image[:-2, 2:]
            + image[1:-1, :-2]
            + image[1:-1, 1:-1]
            + image[1:-1, 2:]
            + image[2:, :-2]
            + image[2:, 1:-1]
            + image[2:, 2:]
        ) / 9.0
        image = np.minimum(np.maximum(image + 0.5 * (image - blur), 0.0), 1.0)
    return image


def programs():
    r = np.random.default_rng(1)
    yield advection, (np.sin(np.linspace(0, 6, 2000)), 0.3, 200)
    yield k_means, (r.random((1000, 3)), r.random((8, 3)), 5)
    yield n_body, (r.random((100, 3)), np.zeros((100, 3)), r.random(100), 1e-3, 10)
    yield attention, (r.random((64, 32)), r.random((128, 32)), r.random((128, 32)))
    yield image_filter, (r.random((256, 256)), 5)


def timed(f, arguments):
    """Milliseconds of a call."""
    (found,) = best([lambda: f(*arguments)], 0.5)
    return found / 1e6


def main():
    try:
        import numba
    except ImportError:
        numba = None
    logs = []
    print(f"{'program':16}{'NumPy':>12}{'Numba':>12}{'numlift':>12}   numlift / best")
    for f, arguments in programs():
        numpy = timed(f, arguments)
        peer = math.inf
        if numba is not None:
            try:
                peer = timed(numba.njit(f), arguments)
            except numba.core.errors.NumbaError:
                pass
        compiled = jit(f)
        ours = timed(compiled, arguments)
        ratio = ours / min(numpy, peer)
        logs.append(math.log(ratio))
        print(f"{f.__name__:16}{numpy:>9.3f} ms{peer:>9.3f} ms{ours:>9.3f} ms{ratio:>9.2f}", flush=True)
    print(f"geometric mean {math.exp(sum(logs) / len(logs)):.2f}")


if __name__ == "__main__":
    main()
