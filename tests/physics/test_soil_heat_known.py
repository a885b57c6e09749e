"""Known answers of four years of soil heat, with and without its options (``tests/golden.py``)."""

import pytest

import golden


@pytest.mark.parametrize("case", golden.GROUND)
def test_known_answers_of_the_ground(case):
    assert not list(golden.differences(golden.of_case(case), golden.read(), golden.TOLERANCE["float64"]))
