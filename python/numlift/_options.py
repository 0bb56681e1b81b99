"""Options of the decorators: what each takes, and what it means for the dispatcher."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal, TypedDict


class Options(TypedDict, total=False):
    """Keyword arguments of `jit` and `njit`, for type checkers; `resolve` checks them at run time."""

    strict: bool
    overflow: Literal["raise", "wrap"]
    fastmath: bool | AbstractSet[str]
    nopython: bool
    cache: bool
    parallel: bool
    nogil: bool
    errstate: bool
    boundscheck: bool | None
    error_model: Literal["python", "numpy"]
    inline: Literal["never", "always"]
    debug: bool
    forceobj: bool
    looplift: bool
    locals: dict[str, Any]


_FASTMATH = frozenset({"fast", "nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc"})


def _one_of(*values: object) -> tuple[Callable[[Any], bool], str]:
    text = " or ".join(filter(None, (", ".join(map(repr, values[:-1])), repr(values[-1]))))
    return lambda v: any(v is x or (isinstance(v, str) and v == x) for x in values), text


def _is_fastmath(value: Any) -> bool:
    if isinstance(value, AbstractSet):
        return all(isinstance(v, str) for v in value) and _FASTMATH.issuperset(value)
    return isinstance(value, bool)


_SWITCH = _one_of(True, False)

# Name → (test of a value, which values there are). Those that are not in `resolve` change nothing.
_OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "strict": _SWITCH,
    "overflow": _one_of("raise", "wrap"),
    "fastmath": (_is_fastmath, f"True, False or a set of {', '.join(sorted(_FASTMATH))}"),
    "nopython": _SWITCH,
    "cache": _SWITCH,
    "parallel": _SWITCH,
    "nogil": _SWITCH,
    "errstate": _SWITCH,
    "boundscheck": _one_of(True, False, None),
    "error_model": _one_of("python", "numpy"),
    "inline": _one_of("never", "always"),
    "debug": _SWITCH,
    "forceobj": _SWITCH,
    "looplift": _SWITCH,
    "locals": (lambda v: isinstance(v, dict), "a dict"),
}


def resolve(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the dispatcher is made with.

    Raises TypeError for an unknown option and ValueError for a wrong value.
    """
    for name, value in options.items():
        if name not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            raise TypeError(f"jit() got an unexpected keyword argument {name!r}; there are {known}")
        accepts, values = _OPTIONS[name]
        if not accepts(value):
            raise ValueError(f"{name} must be {values}, not {value!r}")
    fastmath = options.get("fastmath", False)
    return {
        "strict": options.get("strict", False) or options.get("nopython", False),
        "overflow": options.get("overflow", "raise"),
        "boundscheck": options.get("boundscheck") is not False,
        "nogil": options.get("nogil", False),
        "cache": options.get("cache", False),
        "fastmath": fastmath if isinstance(fastmath, bool) else bool({"fast", "reassoc"} & set(fastmath)),
    }
