"""``python -m nsa.train`` is ``nsa train``."""

import sys

from nsa.cli.app import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
