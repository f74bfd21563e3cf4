"""``python -m townhall_bot`` is the ``townhall`` command."""

import sys

from townhall_bot.cli import main

if __name__ == "__main__":
    sys.exit(main())
