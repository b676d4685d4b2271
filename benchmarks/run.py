"""Run every benchmark and write ``results.md``: ``python benchmarks/run.py``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--select", metavar="WORDS", help="only benchmarks whose names match, as in pytest -k"
    )
    parser.add_argument(
        "--output", type=Path, default=HERE / "results.md", help="page to write (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds and few random cases")
    return parser.parse_args()


def run_benchmarks(json_path: Path, select: str | None, *, quick: bool) -> int:
    """All ``bench_*.py`` under pytest-benchmark, in a process with one thread per library."""
    command = [
        sys.executable, "-m", "pytest", str(HERE), "-q", "-p", "no:cacheprovider",
        "-o", "python_files=bench_*.py", "-o", "python_functions=test_* bench_*",
        "--benchmark-disable-gc",
        f"--benchmark-json={json_path}", "--benchmark-columns=median,iqr,rounds",
        "--benchmark-min-rounds=" + ("3" if quick else "5"),
        "--benchmark-max-time=" + ("0.2" if quick else "1.0"),
    ]  # fmt: skip
    if select:
        command += ["-k", select]
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.run(command, env={**os.environ, **single}, check=False).returncode


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        json_path = Path(folder) / "benchmarks.json"
        code = run_benchmarks(json_path, options.select, quick=options.quick)
        if code != 0:
            print(f"pytest ended with status {code}; {options.output} is left as it was.")
            return code
        data = json.loads(json_path.read_text())

    # Imported only now: NumPy and OpenCV start their threads on import, beside the benchmarks.
    import fidelity
    import results

    compared = [] if options.select else fidelity.measure(120 if options.quick else 1200)
    options.output.write_text(results.render(data, compared, quick=options.quick))
    print(f"wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
