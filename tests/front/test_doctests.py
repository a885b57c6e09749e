"""The examples in the docstrings of the public interface are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name", ["jtem", "jtem.front.site", "jtem.front.model", "jtem.front.plans", "jtem.front.derivatives"]
)
def test_examples(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0 and found.failed == 0
