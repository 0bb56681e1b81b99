"""Stencils, fractals and matrices."""

import numpy as np

from kernels.kernel import Kernel


def jacobi(a, b, steps):
    for _ in range(steps):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = 0.25 * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1])
        a, b = b, a


def life(board, after):
    rows, columns = board.shape
    for i in range(rows):
        for j in range(columns):
            n = 0
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    if di != 0 or dj != 0:
                        n += board[(i + di) % rows, (j + dj) % columns]
            after[i, j] = n == 3 or (n == 2 and board[i, j] == 1)


def convolve(signal, weights, out):
    for i in range(len(signal) - len(weights) + 1):
        s = 0.0
        for k in range(len(weights)):
            s += signal[i + k] * weights[k]
        out[i] = s


def escape(cr, ci, limit):
    zr = 0.0
    zi = 0.0
    for k in range(limit):
        zr2 = zr * zr
        zi2 = zi * zi
        if zr2 + zi2 > 4.0:
            return k
        zi = 2.0 * zr * zi + ci
        zr = zr2 - zi2 + cr
    return limit


def mandelbrot(width, height, limit):
    n = 0
    for y in range(height):
        for x in range(width):
            n += escape(3.0 * x / width - 2.1, 2.4 * y / height - 1.2, limit)
    return n


def julia(image, c, limit):
    rows, columns = image.shape
    for y in range(rows):
        for x in range(columns):
            z = complex(3.0 * x / columns - 1.5, 3.0 * y / rows - 1.5)
            k = 0
            while k < limit and z.real * z.real + z.imag * z.imag < 4.0:
                z = z * z + c
                k += 1
            image[y, x] = k


def matmul(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            s = 0.0
            for k in range(a.shape[1]):
                s += a[i, k] * b[k, j]
            c[i, j] = s


def distances(points, out):
    n, dimensions = points.shape
    for i in range(n):
        for j in range(n):
            s = 0.0
            for k in range(dimensions):
                d = points[i, k] - points[j, k]
                s += d * d
            out[i, j] = s**0.5


def _board(r, n):
    return r.integers(0, 2, (n, n)).astype(np.uint8), np.zeros((n, n), np.uint8)


KERNELS = [
    Kernel("Jacobi stencil", jacobi, lambda r, n: (r.random((n, n)), np.zeros((n, n)), 4), 7, 200),
    Kernel("game of life", life, _board, 7, 100),
    Kernel("convolution", convolve, lambda r, n: (r.random(n), r.random(9), np.zeros(n)), 20, 20_000),
    Kernel("mandelbrot", mandelbrot, lambda r, n: (n, n, 100), 12, 100, (escape,)),
    Kernel("julia, complex", julia, lambda r, n: (np.zeros((n, n), np.int64), -0.8 + 0.156j, 100), 9, 80),
    Kernel("matmul", matmul, lambda r, n: (r.random((n, n)), r.random((n, n)), np.zeros((n, n))), 7, 96),
    Kernel("pairwise distances", distances, lambda r, n: (r.random((n, 3)), np.zeros((n, n))), 9, 200),
]
