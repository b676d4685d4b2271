"""``python -m nsa.predict`` is ``nsa predict``."""

import sys

from nsa.cli.app import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
