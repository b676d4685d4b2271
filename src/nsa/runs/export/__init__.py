"""One file that runs a trained detector without this package. ``nsa export --help``.

``write`` makes the file: ``formats`` has the operations in it, ``notes`` what it says of itself,
``quantise`` 8-bit convolutions and ``check`` the comparison with the run.
"""

from nsa.runs.export.formats import SMALLEST
from nsa.runs.export.write import Exported, export

__all__ = ["SMALLEST", "Exported", "export"]
