"""Every step from images to an exported file, with small settings, in the folder that is named."""

import sys
from pathlib import Path

from tiny import nsa, picture, write, write_config, write_product


def main(folder: Path) -> None:
    data, config = write_product(folder / "data"), write_config(folder / "options.yaml", epochs=1)
    for index in range(19):
        write(folder / "normals" / f"{index}.png", picture(500 + index)[0])
    runs = folder / "runs"
    run = runs / "disc-seed0"
    for command in (
        ("train", "--data-root", data, "--category", "disc", "--config", config, "--seeds", "1",
         "--output", runs),  # in a worker process
        ("calibrate", run, folder / "normals"),
        ("evaluate", run, "--data-root", data),
        ("predict", run, folder / "normals", "--output", folder / "predicted"),
        ("export", run, "--output", folder / "detector.onnx", "--check"),
    ):  # fmt: skip
        done = nsa(*command)
        print(command[0], done.exit_code)
        assert done.exit_code == 0, done.output
    assert (folder / "detector.onnx").is_file()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
