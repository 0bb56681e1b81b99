"""A sample of the random comparison of `campaign.py`: other seeds and more cases are for the command line."""

import random

import campaign
import pytest


def sample(texts: list[str], families: list[tuple[str, ...]], per_text: int) -> list[str]:
    out = []
    for text in texts:
        some = random.Random(text).sample(families, min(per_text, len(families)))
        out += list(campaign.run([text], some, cases=25, seed=0))
    return out


@pytest.mark.parametrize("part", range(4))
def test_one_operand(part: int) -> None:
    wrong = sample(campaign.UNARY[part::4], campaign.unary_families(), 6)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(4))
def test_two_operands(part: int) -> None:
    wrong = sample(campaign.BINARY[part::4], campaign.binary_families(), 8)
    assert not wrong, "\n".join(wrong)
