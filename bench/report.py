"""What a run of the benchmark says: a table, JSON, a page of the documentation."""

import json
import os
import platform
import sys
from typing import Any

from measure import Row, geometric_mean

MARK = "<!-- Below: written by `make bench-docs`. -->\n"


def shown(seconds: float) -> str:
    """A time with a unit and three figures."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def processor() -> str:
    """Model of the processor and number of cores."""
    try:
        with open("/proc/cpuinfo") as f:
            models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    except OSError:
        models = []
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    import numba
    import numpy

    import numlift

    return {
        "numlift": numlift.__version__,
        "Numba": numba.__version__,
        "NumPy": numpy.__version__,
        "Python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
    }


def summary(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """Geometric means by group, and on how many kernels each compiler is faster."""
    return {
        group: _means([r for r in rows if r.group == group]) for group in dict.fromkeys(r.group for r in rows)
    }


def _means(rows: list[Row]) -> dict[str, Any]:
    return {
        "count": len(rows),
        "native": sum(row.tier == "native" for row in rows),
        "faster": sum(row.ratio < 1 for row in rows),
        "slower": sum(row.ratio > 1 for row in rows),
        "ratio": geometric_mean([row.ratio for row in rows]),
        "numlift_first": geometric_mean([row.numlift_first for row in rows]),
        "numba_first": geometric_mean([row.numba_first for row in rows]),
    }


def table(rows: list[Row]) -> str:
    """Markdown, ratios above 1 in bold: there Numba is faster."""
    lines = [
        "| kernel | numlift | Numba | ratio | first call | Numba's | tier |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        ratio = f"{row.ratio:.2f}" if row.ratio <= 1 else f"**{row.ratio:.2f}**"
        lines.append(
            f"| {row.name} | {shown(row.numlift)} | {shown(row.numba)} | {ratio} "
            f"| {shown(row.numlift_first)} | {shown(row.numba_first)} | {row.tier} |"
        )
    return "\n".join(lines) + "\n"


def sentences(rows: list[Row]) -> str:
    """The summary in words, a line for each group."""
    return "".join(
        f"Geometric mean of {s['count']} {group}: numlift takes {s['ratio']:.2f} times Numba's time; "
        f"it is faster on {s['faster']} and slower on {s['slower']}. "
        f"First call: {shown(s['numlift_first'])} against {shown(s['numba_first'])}.\n"
        for group, s in summary(rows).items()
    )


def as_json(rows: list[Row]) -> str:
    kernels = [row.as_dict() for row in rows]
    text = {"versions": versions(), "summary": summary(rows), "kernels": kernels}
    return json.dumps(text, indent=1, ensure_ascii=False) + "\n"


def with_summary(readme: str, rows: list[Row]) -> str:
    """The README, with what stands between its marks replaced."""
    before, begin, rest = readme.partition("<!-- Written by `make bench-docs`: -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    if not begin or not end:
        raise ValueError("the README has no marks for the summary")
    words = f"Beside Numba {versions()['Numba']} ([all kernels](docs/benchmarks.md)):\n\n"
    words += "".join(f"- {line}\n" for line in sentences(rows).splitlines())
    return f"{before}{begin}{words}{end}{after}"


def with_results(page: str, rows: list[Row]) -> str:
    """The page of the documentation, with what stands below the mark replaced."""
    if MARK not in page:
        raise ValueError(f"the page has no line {MARK.strip()}")
    described = ("system", "processor")
    what = ", ".join(v if name in described else f"{name} {v}" for name, v in versions().items())
    words = sentences(rows).replace("\n", "\n\n")
    return f"{page[: page.index(MARK)]}{MARK}\n{words}Measured with {what}.\n\n{table(rows)}"
