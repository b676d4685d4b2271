#!/usr/bin/env bash
# Builds, checks and times the CUDA kernels on this machine and writes benchmarks/results_gpu.md.
#
#     benchmarks/gpu.sh [FOLDER [DATA_ROOT]]
#
# FOLDER (default: build/gpu) gets a log and the figures of every stage. DATA_ROOT (or NSA_DATA_ROOT)
# is a folder with MVTec AD's bottle, which is then trained; without it that stage is left out. Needs a GPU, nvcc and a
# Python with torch; no network. A stage that fails, or takes too long, does not stop later ones,
# and what it wrote is kept. Later work adds its own stage: a function and a line at the end.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

fail() {
    echo "gpu.sh: $1" >&2
    exit 1
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "there is no $python; name one with PYTHON=..."
gpu=$("$python" -c '
import sys
try:
    import torch
except ImportError:
    sys.exit("this Python has no torch; name another with PYTHON=...")
if not torch.cuda.is_available():
    sys.exit("torch sees no GPU on this machine; run it on one with an NVIDIA GPU.")
print("{}{}".format(*torch.cuda.get_device_capability()))
' 2>&1) || fail "$(tail -n 1 <<<"$gpu")"
gpu=$(tail -n 1 <<<"$gpu") # warnings come before it
command -v nvcc >/dev/null || fail "nvcc is not on PATH; install a CUDA toolkit or add its bin folder."

data=${2:-${NSA_DATA_ROOT:-}}
[[ -z $data || -d $data/bottle ]] || fail "there is no folder bottle in $data."
out=$(realpath -m "${1:-build/gpu}")
mkdir -p "$out" || fail "$out cannot be made; name another folder."
rm -f "$out"/*.json "$out"/*.log "$out"/stages.tsv
export PYTHONPATH="$out/site" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# stage NAME SECONDS COMMAND...: runs it with a limit and notes how it went.
stage() {
    local name=$1 limit=$2 start=$SECONDS status result
    shift 2
    printf '\n=== %s (at most %d s)\n' "$name" "$limit"
    # As by Ctrl-C, which lets pytest tell what failed so far.
    timeout --signal=INT --kill-after=10 "$limit" "$@" 2>&1 | tee "$out/$name.log"
    status=${PIPESTATUS[0]}
    case $status in
        0) result=passed ;;
        124 | 137) result="stopped after $limit s" ;;
        *) result="failed ($status)" ;;
    esac
    printf '%s\t%s\t%d\n' "$name" "$result" $((SECONDS - start)) >>"$out/stages.tsv"
    echo "=== $name: $result"
}

# As `pip install .` does, but beside the machine's packages, for this GPU alone, and whatever its
# compiler warns of. Where pip's build back end is too old, CMake itself.
build() {
    rm -rf "$out/site"
    "$python" -m pip install --quiet --no-build-isolation --no-deps --no-index --target "$out/site" \
        -C "build-dir=$out/cmake" -C "cmake.define.NSA_CUDA_ARCHITECTURES=$gpu" \
        -C cmake.define.NSA_WARNINGS_AS_ERRORS=OFF . && return
    echo "pip could not build it; trying CMake alone"
    rm -rf "$out/cmake" "$out/site"
    cmake -S . -B "$out/cmake" -DNSA_CUDA_ARCHITECTURES="$gpu" \
        -DNSA_WARNINGS_AS_ERRORS=OFF \
        -DPython_EXECUTABLE="$(command -v "$python")" \
        -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" >/dev/null &&
        cmake --build "$out/cmake" --parallel &&
        mkdir -p "$out/site" && cp -r src/nsa "$out/site/" && cp "$out"/cmake/_C*.so "$out/site/nsa/"
}

# A process a file: after an illegal access nothing more runs on the GPU in the same one. Only files
# with such tests, since to import the others takes longer.
tests() {
    local file status=0
    trap 'exit 130' INT
    for file in $(grep -rl --include='test_*.py' needs_cuda tests | sort); do
        "$python" -m pytest -m needs_cuda -W default -p no:cacheprovider -v "$file" || status=$?
    done
    return "$status"
}

# Without torch's cache every tensor is an allocation of its own, so that an access beyond it shows.
# Failed calls are not reported: torch probes the driver for functions it may lack, and our own calls
# are checked where they are made.
sanitizer() {
    command -v compute-sanitizer >/dev/null || {
        echo "compute-sanitizer is not on PATH"
        return 1
    }
    local filter status log
    log=$(mktemp)
    # Only our kernels, where this release understands the filter: torch's take most of the time.
    for filter in "--kernel-regex kns=nsa" ""; do
        # shellcheck disable=SC2086
        PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool "$1" --error-exitcode 9 \
            --report-api-errors no --launch-timeout 0 $filter \
            "$python" benchmarks/gpu/sanitize.py 2>&1 | tee "$log"
        status=${PIPESTATUS[0]}
        grep -q "every kernel ran" "$log" && return "$status"
    done
    return 1
}

export -f build tests sanitizer
export out python gpu

# The limits add up to less than nine minutes; the tests get what the bottle does not need.
spare=85
[[ -n $data ]] && spare=0
stage build 115 bash -c build
stage tests $((100 + spare)) bash -c tests
stage limits 15 "$python" benchmarks/gpu/limits.py "$out"
stage synthesis 35 "$python" benchmarks/gpu/synthesis.py "$out"
stage peers 20 "$python" benchmarks/gpu/peers.py "$out"
stage step 30 "$python" benchmarks/gpu/step.py "$out"
if [[ -n $data ]]; then
    stage bottle 85 "$python" benchmarks/gpu/bottle.py "$out" "$data"
fi
stage loader 35 "$python" benchmarks/gpu/loader.py "$out"
for tool in memcheck racecheck initcheck; do
    stage "$tool" 33 bash -c "sanitizer $tool"
done
"$python" benchmarks/gpu/report.py "$out" benchmarks/results_gpu.md || fail "no report was written."
cp benchmarks/results_gpu.md "$out/"
! grep -qv $'\tpassed\t' "$out/stages.tsv"
