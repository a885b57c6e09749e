"""A little of the fuzzing of plans and tables that ``fuzz.py`` does for an hour."""

import fuzz


def test_broken_texts_are_read_or_refused_in_one_sentence():
    tried, crashes = fuzz.fuzz(60.0, 1, most=600)
    assert tried > 50 and crashes == []
