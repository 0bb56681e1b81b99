"""What a kernel of the benchmark is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Kernel:
    """A function with arguments of two sizes.

    small: arguments on which the interpreter, too, is quick: there the results are compared.
    full: arguments that are timed; the maker of arguments gets a generator and one of these.
    helpers: functions it calls, compiled like it. own_random: draws from a generator of the compiler,
    so that results of different compilers differ. last_bit: calls `math.erf`, which may differ
    in it. group: what its mean is taken with.
    """

    name: str
    function: Callable[..., Any]
    make: Callable[[np.random.Generator, Any], tuple[Any, ...]]
    small: Any
    full: Any
    helpers: tuple[Callable[..., Any], ...] = ()
    own_random: bool = False
    last_bit: bool = False
    group: str = "kernels"

    def arguments(self, size: Any) -> tuple[Any, ...]:
        """The same for every caller."""
        return self.make(np.random.default_rng(1), size)
