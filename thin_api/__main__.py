"""`python -m thin_api` is the same as `parley`."""

import sys

from thin_api.cli import main

if __name__ == "__main__":
    sys.exit(main())
