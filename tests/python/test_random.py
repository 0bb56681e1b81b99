"""NumPy's global generator: the same stream for the same seed, left in the same state."""

import math

import numpy as np
import pytest

from harness import check, define, jit

DRAWS = {
    "np.random.random()": "native",
    "np.random.rand()": "native",
    "np.random.randint(10)": "native",
    "np.random.randint(-5, 100)": "native",
    "np.random.randint(0, 2**40)": "native",
    "np.random.randint(1)": "native",
    "np.random.uniform(2.0, 3.5)": "native",
    "np.random.uniform()": None,
    "np.random.normal()": None,
    "np.random.normal(1.0, 2.0)": None,
    "np.random.random_sample()": None,
    "np.random.randn()": None,
    "np.random.standard_normal()": None,
    "np.random.exponential()": None,
    "np.random.choice(5)": None,
    "np.random.random(3)[1]": None,
}


@pytest.mark.parametrize("text", DRAWS)
def test_stream(text: str) -> None:
    f = define(
        f"def f(n):\n    s = 0.0\n    for _ in range(n):\n        s = s * 0.5 + {text}\n    return s\n"
    )
    for seed in (0, 1, 12345):
        check(f, 101, seed=seed, tier=DRAWS[text])


def test_mixed_draws_keep_the_spare_normal() -> None:
    f = define(
        """
def f(n):
    s = 0.0
    for i in range(n):
        s += np.random.normal()
        if i % 3 == 0:
            s += np.random.random() + np.random.randint(7)
    return s
"""
    )
    for n in (1, 2, 3, 10):
        check(f, n, seed=3, tier=None)


def test_seed_inside() -> None:
    check(define("def f(s):\n    np.random.seed(s)\n    return np.random.random()\n"), 5, seed=1, tier=None)
    check(define("def f():\n    np.random.seed(42)\n    return np.random.random()\n"), seed=1, tier=None)


def test_interleaved_with_the_interpreter() -> None:
    f = jit(define("def f():\n    return np.random.random()\n"))
    np.random.seed(9)
    mixed = [f(), np.random.random(), f(), np.random.normal(), f(), np.random.randint(10)]
    np.random.seed(9)
    plain = [np.random.random(), np.random.random(), np.random.random(), np.random.normal()]
    plain += [np.random.random(), np.random.randint(10)]
    assert mixed == plain


def test_errors() -> None:
    for text in (
        "np.random.randint(0)",
        "np.random.randint(5, 5)",
        "np.random.randint(n)",
        "np.random.uniform(n, np.inf)",
    ):
        check(define(f"def f(n):\n    return {text}\n"), 0, seed=1, tier=None)


def test_mix_replicas() -> None:
    f = define(
        """
def mix_replicas(nswap_attempts, nstates, replica_states, u_kl, Nij_proposed, Nij_accepted):
    for _ in range(nswap_attempts):
        i = int(np.random.random() * nstates)
        j = int(np.random.random() * nstates)
        istate = replica_states[i]
        jstate = replica_states[j]
        if math.isnan(u_kl[i, istate]) or math.isnan(u_kl[i, jstate]) or math.isnan(u_kl[j, istate]) or math.isnan(u_kl[j, jstate]):
            continue
        log_p = -(u_kl[i, jstate] + u_kl[j, istate]) + (u_kl[j, jstate] + u_kl[i, istate])
        Nij_proposed[istate, jstate] += 1
        Nij_proposed[jstate, istate] += 1
        if log_p >= 0 or np.random.random() < math.exp(log_p):
            replica_states[i], replica_states[j] = replica_states[j], replica_states[i]
            Nij_accepted[istate, jstate] += 1
            Nij_accepted[jstate, istate] += 1
    return 0
"""
    )
    n = 8
    rng = np.random.default_rng(0)
    u = rng.normal(size=(n, n))
    u[2, 3] = math.nan
    for counts in (np.int64, np.float64):
        args = (2000, n, np.arange(n), u, np.zeros((n, n), counts), np.zeros((n, n), counts))
        check(f, *args, seed=11)


def test_another_generator_is_drawn_from() -> None:
    """`set_bit_generator` replaces what compiled code has the address of: also in a callee, also back again."""
    draw = define(
        "def draw():\n    return np.random.random(), np.random.randint(100), np.random.normal(), np.random.normal()\n"
    )
    outer = define("def outer():\n    return draw()[0]\n", draw=draw)
    compiled, caller = jit(draw), jit(outer)
    old = np.random.get_bit_generator()
    compiled(), caller()
    try:
        for make in (np.random.PCG64, np.random.MT19937, np.random.PCG64, np.random.SFC64):
            np.random.set_bit_generator(make(5))
            expected = [draw(), outer(), draw()]
            np.random.set_bit_generator(make(5))
            assert [compiled(), caller(), compiled()] == expected
            assert compiled.tier() == caller.tier() == "native"
    finally:
        np.random.set_bit_generator(old)
