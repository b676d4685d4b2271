"""What this GPU can do at most, measured: copying memory, and products in float32."""

from __future__ import annotations

import sys

import torch
from timing import time_on_gpu, write


def main(folder: str) -> None:
    size = 1 << 30
    pairs = [
        (
            torch.randint(256, (size,), dtype=torch.uint8, device="cuda"),
            torch.empty(size, dtype=torch.uint8, device="cuda"),
        )
        for _ in range(2)
    ]
    copy = time_on_gpu([lambda a=a, b=b: b.copy_(a) for a, b in pairs], 20)
    torch.backends.cuda.matmul.allow_tf32 = False
    side = 8192
    a, b = torch.randn(2, side, side, device="cuda")
    product = time_on_gpu([lambda: a @ b], 10)
    properties = torch.cuda.get_device_properties(0)
    write(
        folder,
        "limits",
        {
            "gpu": properties.name,
            "multiprocessors": properties.multi_processor_count,
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "copy_bytes_per_second": 2 * size / copy["median"],
            "float32_flops": 2 * side**3 / product["median"],
        },
    )


if __name__ == "__main__":
    main(sys.argv[1])
