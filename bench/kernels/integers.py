"""Number theory and hashing: exact integers."""

import numpy as np

from kernels.kernel import Kernel


def collatz(n):
    best = 0
    for start in range(1, n):
        x = start
        steps = 0
        while x != 1:
            if x % 2 == 0:
                x //= 2
            else:
                x = 3 * x + 1
            steps += 1
        if steps > best:
            best = steps
    return best


def sieve(marks):
    n = len(marks)
    found = 0
    for i in range(2, n):
        if not marks[i]:
            found += 1
            for j in range(i * i, n, i):
                marks[j] = True
    return found


def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


def coprime(n):
    found = 0
    for a in range(1, n):
        for b in range(1, n):
            if gcd(a, b) == 1:
                found += 1
    return found


def power_modulo(bases, exponent, modulus):
    total = 0
    for base in bases:
        result = 1
        square = base % modulus
        e = exponent
        while e > 0:
            if e & 1:
                result = result * square % modulus
            square = square * square % modulus
            e >>= 1
        total += result
    return total


def fnv1a(data):
    h = 2166136261
    for byte in data:
        h = ((h ^ int(byte)) * 16777619) & 0xFFFFFFFF
    return h


def crc32(data, table):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ int(table[(crc ^ int(byte)) & 0xFF])
    return crc ^ 0xFFFFFFFF


def _table():
    table = np.zeros(256, np.int64)
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ (0xEDB88320 if c & 1 else 0)
        table[i] = c
    return table


def _bytes(r, n):
    return r.integers(0, 256, n).astype(np.uint8)


KERNELS = [
    Kernel("collatz", collatz, lambda r, n: (n,), 60, 10_000),
    Kernel("sieve", sieve, lambda r, n: (np.zeros(n, np.bool_),), 200, 100_000),
    Kernel("coprime pairs", coprime, lambda r, n: (n,), 15, 200, (gcd,)),
    Kernel("powers modulo", power_modulo, lambda r, n: (r.integers(2, 999, n), 65_537, 999_983), 9, 2_000),
    Kernel("FNV-1a hash", fnv1a, lambda r, n: (_bytes(r, n),), 40, 100_000),
    Kernel("CRC-32", crc32, lambda r, n: (_bytes(r, n), _table()), 40, 100_000),
]
