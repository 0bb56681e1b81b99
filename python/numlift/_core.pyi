from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

_C = TypeVar("_C", bound=type)

__all__ = [
    "__version__",
    "callable_class",
    "check_signature",
    "code_page",
    "compile_signature",
    "completion_script",
    "cpu_features",
    "create",
    "dynamic_places",
    "list_builtins",
    "list_codes",
    "parse_command_line",
    "parse_type",
    "py_func",
    "render_diagnostics",
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
def parse_command_line(arguments: Sequence[str], *, colour: bool) -> tuple[str, dict[str, Any]]: ...
def completion_script(shell: str) -> str: ...
def list_codes() -> list[tuple[str, str, str]]: ...
def code_page(code: str) -> str | None: ...
def cpu_features() -> list[str]: ...
def render_diagnostics(
    rows: Sequence[tuple[str, str, str, int, int, int, str | None, str]], format: str, *, colour: bool
) -> str: ...
def parse_type(text: str) -> str: ...
def check_signature(
    jitted: object, signature: str
) -> list[tuple[str, str, str, int, int, int, str | None]]: ...
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
