"""Prints what pyproject.toml requires: to build and run, or for the extras that are named."""

import sys
import tomllib


def main(extras: list[str]) -> None:
    with open("pyproject.toml", "rb") as f:
        project = tomllib.load(f)
    optional = project["project"]["optional-dependencies"]
    found = [requirement for extra in extras for requirement in optional[extra]]
    if not extras:
        found = project["build-system"]["requires"] + project["project"]["dependencies"]
    # An extra of the project itself is named on its own.
    print(*(r for r in found if not r.startswith("numlift[")), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
