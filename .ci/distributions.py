"""Checks wheels and source distributions: what must be in them, what must not, and their size."""

import sys
import tarfile
import zipfile
from pathlib import Path

MOST_BYTES = 10_000_000
IN_WHEEL = (
    "numlift/__init__.py",
    "numlift/__main__.py",
    "entry_points.txt",
    "numlift/_core.abi3.so",
    "numlift/_core.pyi",
    "numlift/_stub.bin",
    "numlift/py.typed",
    "numlift/types.py",
)
IN_SOURCE = (
    "pyproject.toml",
    "README.md",
    "Cargo.lock",
    "crates/python/src/lib.rs",
    "crates/stub/src/lib.rs",
    "packaging/numlift_build.py",
    "docs/errors/NL1001.md",
    "python/numlift/py.typed",
)
LICENCES = ("LICENSE-MIT", "LICENSE-APACHE")
# The extension contains the pages of the diagnostics, so the source has them.
PAGES = "docs/errors/"
NOT_AT_TOP = ("tests", "bench", "examples", "docs", "site", "target", ".venv", ".ci")


def names(path: Path) -> list[str]:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    with tarfile.open(path) as archive:
        return archive.getnames()


def problems(path: Path) -> list[str]:
    found = names(path)
    wheel = path.suffix == ".whl"
    required = (*(IN_WHEEL if wheel else IN_SOURCE), *LICENCES)
    texts = [f"lacks {name}" for name in required if not any(n.endswith(name) for n in found)]
    for name in found:
        parts = name.split("/")[0 if wheel else 1 :]
        if not wheel and "/".join(parts).startswith(PAGES):
            continue
        if parts and (
            parts[0] in NOT_AT_TOP or "__pycache__" in parts or (not wheel and name.endswith(".so"))
        ):
            texts.append(f"has {name}")
    if path.stat().st_size > MOST_BYTES:
        texts.append(f"is {path.stat().st_size / 1e6:.1f} MB, at most {MOST_BYTES / 1e6:.0f}")
    return [f"{path.name} {text}" for text in texts]


def main(directory: str) -> int:
    made = sorted([*Path(directory).glob("*.whl"), *Path(directory).glob("*.tar.gz")])
    texts = [text for path in made for text in problems(path)]
    for path in made:
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    for text in texts or ([] if made else [f"no distributions in {directory}"]):
        print(text, file=sys.stderr)
    return int(bool(texts) or not made)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
