"""Random functions of native loops and dynamic statements do what the interpreter does.

`HYPOTHESIS_PROFILE=search NUMLIFT_EXAMPLES=5000` looks for new ones, `island_programs.py` does it without shrinking.
"""

import os
import random

import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from island_programs import program
from island_runs import PRELUDE, calls, differences

from harness import FAKE

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

EXAMPLES = int(os.environ.get("NUMLIFT_EXAMPLES", "60"))


@settings(max_examples=EXAMPLES)
@given(st.randoms(use_true_random=False), st.integers(0, 1000))
def test_island_programs(rng: random.Random, seed: int) -> None:
    source = program(rng)
    try:
        compile(source, "<program>", "exec")
    except SyntaxError:
        assume(False)
    note(source[len(PRELUDE) :])
    assert not differences(source, calls(seed))
