"""``jtem inspect``: what the readers understand of files."""

from __future__ import annotations

import argparse
import importlib

from jtem.errors import DONE
from jtem.readers import inspect

TABLES = (".csv", ".txt", ".tsv", ".dat")
"""Names of files that are tables of one site."""


def command_inspect(arguments: argparse.Namespace) -> int:
    """Print what is understood of each file."""
    for path in arguments.files:
        if path.suffix.lower() in TABLES and path.is_file():
            text = importlib.import_module("jtem.readers.inspect_table").describe(path)
        else:
            text = inspect.describe(path, stamp=arguments.stamp)
        print(text, flush=True)
    return DONE
