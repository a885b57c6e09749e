"""``jtem inspect``: what the readers understand of files."""

from __future__ import annotations

import argparse

from jtem.errors import DONE
from jtem.readers import inspect


def command_inspect(arguments: argparse.Namespace) -> int:
    """Print what is understood of each file."""
    for path in arguments.files:
        print(inspect.describe(path, stamp=arguments.stamp), flush=True)
    return DONE
