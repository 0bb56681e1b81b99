"""Bodies, differential equations and Monte Carlo."""

import math

import numpy as np

from kernels.kernel import Kernel


def nbody(position, velocity, mass, dt, steps):
    n = position.shape[0]
    for _ in range(steps):
        for i in range(n):
            ax = 0.0
            ay = 0.0
            az = 0.0
            for j in range(n):
                dx = position[j, 0] - position[i, 0]
                dy = position[j, 1] - position[i, 1]
                dz = position[j, 2] - position[i, 2]
                inverse = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz + 0.01)
                weight = mass[j] * inverse * inverse * inverse
                ax += weight * dx
                ay += weight * dy
                az += weight * dz
            velocity[i, 0] += dt * ax
            velocity[i, 1] += dt * ay
            velocity[i, 2] += dt * az
        for i in range(n):
            for k in range(3):
                position[i, k] += dt * velocity[i, k]


def slope(x, y, z):
    return 10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z


def lorenz(x, y, z, dt, steps):
    for _ in range(steps):
        ax, ay, az = slope(x, y, z)
        bx, by, bz = slope(x + 0.5 * dt * ax, y + 0.5 * dt * ay, z + 0.5 * dt * az)
        cx, cy, cz = slope(x + 0.5 * dt * bx, y + 0.5 * dt * by, z + 0.5 * dt * bz)
        dx, dy, dz = slope(x + dt * cx, y + dt * cy, z + dt * cz)
        x += dt / 6.0 * (ax + 2.0 * bx + 2.0 * cx + dx)
        y += dt / 6.0 * (ay + 2.0 * by + 2.0 * cy + dy)
        z += dt / 6.0 * (az + 2.0 * bz + 2.0 * cz + dz)
    return x, y, z


def pi_congruential(n, seed):
    inside = 0
    state = seed
    for _ in range(n):
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        x = state / 2147483648.0
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        y = state / 2147483648.0
        if x * x + y * y < 1.0:
            inside += 1
    return 4.0 * inside / n


def pi_random(n):
    inside = 0
    for _ in range(n):
        x = np.random.random()
        y = np.random.random()
        if x * x + y * y < 1.0:
            inside += 1
    return 4.0 * inside / n


def ising(spins, steps, coupling, seed):
    n = spins.shape[0]
    state = seed
    for _ in range(steps):
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        i = (state >> 8) % n
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        j = (state >> 8) % n
        around = spins[(i + 1) % n, j] + spins[i - 1, j] + spins[i, (j + 1) % n] + spins[i, j - 1]
        cost = 2.0 * coupling * spins[i, j] * around
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        if cost <= 0.0 or state / 2147483648.0 < math.exp(-cost):
            spins[i, j] = -spins[i, j]


def _bodies(r, n):
    return r.normal(size=(n, 3)), r.normal(size=(n, 3)), r.random(n), 1e-6, 10


def _spins(r, n):
    return 2 * r.integers(0, 2, (n, n)) - 1, n * n, 0.44, 7


KERNELS = [
    Kernel("n bodies", nbody, _bodies, 5, 60),
    Kernel("Lorenz, Runge-Kutta", lorenz, lambda r, n: (1.0, 1.0, 1.0, 0.01, n), 20, 20_000, (slope,)),
    Kernel("pi, own generator", pi_congruential, lambda r, n: (n, 7), 50, 100_000),
    Kernel("pi, np.random", pi_random, lambda r, n: (n,), 50, 100_000, own_random=True),
    Kernel("Ising model", ising, _spins, 6, 200),
]
