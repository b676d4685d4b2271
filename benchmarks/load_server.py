"""Load ``nsa serve`` with clients beside it: ``python benchmarks/load_server.py RUN IMAGES``.

Starts a server on this machine for each batch size, keeps it busy, and prints images a second, the
median and the 95th percentile of the time to an answer, and the cores that the server used; beside
them what the detector does alone, before and after, with the same images already decoded. ``CPU
ms`` is processor time an image. Clients share the cores with the server, so its rate is a little
below what it could be.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the server has it, before torch is loaded

import httpx
import numpy as np
import torch

import nsa
from nsa.detectors.detector import Detector, Pixels
from nsa.images import read_image

SIZES = (1, 4, 8, 16)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("images", type=Path, help="folder of images, all below it")
    parser.add_argument("--clients", type=int, default=32, help="requests at a time (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="per batch size (%(default)s)")
    parser.add_argument("--threads", type=int, help="of the server and the detector alone")
    parser.add_argument("--max-wait", type=float, help="of the server, in ms")
    return parser.parse_args()


def alone(detector: Detector, images: list[Pixels], size: int, seconds: float) -> np.ndarray:
    """Of the detector alone, in batches of a size: images, seconds, and those of processors."""
    firsts = range(0, len(images) - size + 1, size)
    batches = itertools.cycle([images[first : first + size] for first in firsts])
    detector.judge(next(batches))
    started, begun, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < started + seconds:
        done += len(detector.judge(next(batches)))
    return np.array([done, time.perf_counter() - started, time.process_time() - begun])


def start(run: Path, size: int, options: argparse.Namespace) -> tuple[subprocess.Popen[str], str]:
    """A server on a free port, and where it is."""
    command = [sys.executable, "-m", "nsa", "serve", str(run), "--port", "0", "--device", "cpu"]
    command += ["--batch-size", str(size), "--queue", str(2 * options.clients)]
    if options.threads:
        command += ["--threads", str(options.threads)]
    if options.max_wait is not None:
        command += ["--max-wait", str(options.max_wait)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        found = re.search(r"http://\S+(?=;)", line)
        if found:
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return server, found[0]
    raise SystemExit("the server did not start")


def value_of(url: str, name: str) -> float:
    """One of the server's metrics."""
    text = httpx.get(f"{url}/metrics").text
    return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


def load(url: str, bodies: list[bytes], clients: int, seconds: float) -> tuple[list[float], float]:
    """Seconds to each answer that came in time, and of how long the load was."""
    until = time.perf_counter() + seconds
    times: list[float] = []

    def client(first: int) -> None:
        with httpx.Client(timeout=60) as connection:
            for body in itertools.islice(itertools.cycle(bodies), first, None):
                started = time.perf_counter()
                if started > until:
                    return
                answer = connection.post(
                    f"{url}/predict", content=body, headers={"Content-Type": "image/png"}
                )
                answer.raise_for_status()
                times.append(time.perf_counter() - started)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, time.perf_counter() - started


def main() -> None:
    options = arguments()
    files = sorted(path for path in options.images.rglob("*.png"))[:64]
    bodies = [path.read_bytes() for path in files]
    if options.threads:
        torch.set_num_threads(options.threads)
    detector = nsa.load(options.run, "cpu")
    images = [read_image(path, detector.channels, detector.levels) for path in files]
    print(f"{len(files)} images, {options.clients} clients, load average {os.getloadavg()[0]:.1f}")
    print("            alone          served")
    print("batch     /s  CPU ms      /s  CPU ms  ratio  p50 ms  p95 ms  cores  mean batch")
    for size in SIZES:
        by_itself = alone(detector, images, size, options.seconds / 2)
        server, url = start(options.run, size, options)
        try:
            load(url, bodies, options.clients, 1.5)
            names = ("process_cpu_seconds_total", "nsa_batch_images_sum", "nsa_batch_images_count")
            before = [value_of(url, name) for name in names]
            times, seconds = load(url, bodies, options.clients, options.seconds)
            cpu, judged, batches = (
                value_of(url, name) - earlier for name, earlier in zip(names, before, strict=True)
            )
        finally:
            server.terminate()
            server.wait()
        by_itself += alone(detector, images, size, options.seconds / 2)  # both sides of it
        done, wall, own = by_itself
        rate, (half, most) = len(times) / seconds, np.percentile(times, (50, 95)) * 1000
        print(
            f"{size:5} {done / wall:6.1f} {1000 * own / done:7.0f} {rate:7.1f} "
            f"{1000 * cpu / len(times):7.0f} {rate * wall / done:6.2f} {half:7.0f} {most:7.0f} "
            f"{cpu / seconds:6.2f} {judged / batches:11.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
