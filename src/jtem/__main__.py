"""``python -m jtem``: the command."""

import sys

from jtem.cli import main

sys.exit(main())
