"""``python -m jtem``: the command."""

import sys

from jtem.commands.main import main

if __name__ == "__main__":  # processes that write files import this module
    sys.exit(main())
