"""``python -m jtem``: the command."""

import sys

from jtem.commands.main import main

sys.exit(main())
