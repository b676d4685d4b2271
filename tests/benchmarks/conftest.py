"""Puts the programs of ``benchmarks/gpu`` on the path; where they are missing, no test is run."""

from __future__ import annotations

import sys
from pathlib import Path

GPU = Path(__file__).parents[2] / "benchmarks" / "gpu"
if GPU.is_dir():
    sys.path.insert(0, str(GPU))
else:
    collect_ignore_glob = ["test_gpu_*"]
