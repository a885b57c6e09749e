"""``jtem fetch``: public data by name, with a checksum."""

from __future__ import annotations

import argparse

from jtem.errors import DONE
from jtem.readers import fetch as fetching


def command_fetch(arguments: argparse.Namespace) -> int:
    """Fetch an item into a folder; without a name list what there is."""
    if not arguments.name:
        for item in fetching.known().values():
            print(
                f"{item.name:16}{item.bytes:9,} bytes  {item.text}\n{'':16}{item.address}\n{'':16}SHA-256 {item.sha256}"
            )
        return DONE
    print(fetching.fetch(arguments.name, arguments.out, print))
    return DONE
