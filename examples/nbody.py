"""Gravitation of n bodies with softening, integrated in place."""

import math

import numpy as np

from _support import header, show
from numlift import jit


@jit
def advance(position, velocity, mass, dt, steps):
    n = position.shape[0]
    for _ in range(steps):
        for i in range(n):
            ax = ay = az = 0.0
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


@jit
def energy(position, velocity, mass):
    total = 0.0
    for i in range(len(mass)):
        total += 0.5 * mass[i] * (velocity[i, 0] ** 2 + velocity[i, 1] ** 2 + velocity[i, 2] ** 2)
        for j in range(i):
            r2 = 0.01
            for k in range(3):
                d = position[i, k] - position[j, k]
                r2 += d * d
            total -= mass[i] * mass[j] / math.sqrt(r2)
    return total


def main(n: int = 50, steps: int = 10) -> None:
    header()
    rng = np.random.default_rng(0)
    position, velocity, mass = rng.normal(size=(n, 3)), rng.normal(size=(n, 3)), rng.random(n)
    show(advance, lambda: (position.copy(), velocity.copy(), mass, 1e-3, steps))
    show(energy, lambda: (position, velocity, mass))
    before = energy(position, velocity, mass)
    advance(position, velocity, mass, 1e-3, 100)
    after = energy(position, velocity, mass)
    print(
        f"\nEnergy of {n} bodies: {before:.6f}, after 100 steps {after:.6f}, drift {after / before - 1:.1e}."
    )


if __name__ == "__main__":
    main()
