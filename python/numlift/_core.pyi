from collections.abc import Callable
from typing import Any, Literal, TypeVar

_C = TypeVar("_C", bound=type)

__all__ = [
    "__version__",
    "callable_class",
    "compile_signature",
    "create",
    "dynamic_places",
    "list_builtins",
    "py_func",
    "set_internal_errors_fatal",
    "specialization_rows",
    "stage_text",
    "stage_times",
    "tier",
]

__version__: str

def list_builtins() -> list[str]: ...
def set_internal_errors_fatal(on: bool) -> None: ...
def callable_class(base: _C) -> _C: ...
def create(
    cls: type,
    function: Callable[..., Any],
    *,
    strict: bool,
    overflow_wrap: bool,
    fastmath: bool,
    nogil: bool,
    verify: bool,
) -> Any: ...
def py_func(jitted: object) -> Callable[..., Any]: ...
def tier(
    jitted: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Literal["native", "mixed", "interpreter"]: ...
def dynamic_places(
    jitted: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[str, str, str, int, int, int, str | None]]: ...
def compile_signature(jitted: object, signature: str) -> None: ...
def specialization_rows(jitted: object) -> list[tuple[list[str], str | None, str, str | None, int]]: ...
def stage_text(jitted: object, stage: str) -> list[tuple[list[str], str]]: ...
def stage_times(jitted: object) -> list[tuple[list[str], list[tuple[str, float]]]]: ...
