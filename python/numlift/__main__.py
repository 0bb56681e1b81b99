"""`python -m numlift`: the command line."""

import sys

from numlift._cli import main

if __name__ == "__main__":
    sys.exit(main())
