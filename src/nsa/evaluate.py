"""``python -m nsa.evaluate`` is ``nsa evaluate``."""

import sys

from nsa.cli.app import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
