"""The Mandelbrot set: a plain helper function is compiled along with its caller."""

import numpy as np

from _support import header, show
from numlift import jit


def escape(cr, ci, limit):
    zr = zi = 0.0
    for k in range(limit):
        zr2, zi2 = zr * zr, zi * zi
        if zr2 + zi2 > 4.0:
            return k
        zi = 2.0 * zr * zi + ci
        zr = zr2 - zi2 + cr
    return limit


@jit
def mandelbrot(width, height, limit):
    image = np.zeros((height, width), dtype=np.int32)
    for y in range(height):
        for x in range(width):
            image[y, x] = escape(3.0 * x / width - 2.1, 2.4 * y / height - 1.2, limit)
    return image


def main(width: int = 400, height: int = 300, limit: int = 100) -> None:
    header()
    show(mandelbrot, lambda: (width, height, limit))
    print()
    for row in mandelbrot(78, 28, limit):
        print("".join(" .:-=+*#%@"[int(9 * (v / limit) ** 0.4)] for v in row).rstrip())


if __name__ == "__main__":
    main()
