#!/usr/bin/env bash
# Builds, checks and times the CUDA kernels on this machine, in two calls of less than ten minutes.
#
#     benchmarks/gpu.sh [first|second] [--site SITE] [--after ARCHIVE] [--rehearse] [FOLDER [DATA_ROOT]]
#
# first: the first launch of every kernel, tests, compute-sanitizer, speed. second: what failed, and
# everything that is published. Without a word: both. FOLDER (default: build/gpu) gets an archive a
# call; the report is printed last and written to benchmarks/results_gpu.md. --rehearse runs all of it
# on the host. README.md beside this file has the rest.
set -euo pipefail

python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
    echo "gpu.sh: there is no $python; name one with PYTHON=..." >&2
    exit 1
fi
exec "$python" "$(dirname "$0")/gpu/run.py" "$@"
