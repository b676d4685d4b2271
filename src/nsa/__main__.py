"""``python -m nsa`` is ``nsa``."""

from nsa.cli.app import main

if __name__ == "__main__":
    main()
