"""What this GPU can do at most, measured: copying memory, and products in float32."""

from __future__ import annotations

import sys

import torch
from device import DEVICE, sized, time_calls, write


def main(folder: str) -> None:
    size = sized(1 << 30, 1 << 20)
    pairs = [
        (
            torch.randint(256, (size,), dtype=torch.uint8, device=DEVICE),
            torch.empty(size, dtype=torch.uint8, device=DEVICE),
        )
        for _ in range(2)
    ]
    copy = time_calls([lambda a=a, b=b: b.copy_(a) for a, b in pairs], 20)
    torch.backends.cuda.matmul.allow_tf32 = False
    side = sized(8192, 256)
    a, b = torch.randn(2, side, side, device=DEVICE)
    product = time_calls([lambda: a @ b], 10)
    limits = {
        "copy_bytes_per_second": 2 * size / copy["median"],
        "float32_flops": 2 * side**3 / product["median"],
        "side": side,
    }
    write(folder, "limits", limits)
    print(
        f"copy {limits['copy_bytes_per_second'] / 1e12:.2f} TB/s, "
        f"float32 {limits['float32_flops'] / 1e12:.1f} TFLOP/s"
    )


if __name__ == "__main__":
    main(sys.argv[1])
