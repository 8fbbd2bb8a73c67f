"""SRGAN beside its first phase, bicubic and two published networks, on photographs held out whole.

    python tests/benchmarks/super_resolution.py --model=srgan_photos_x4 --first=runs/first/preset

`--first` is the preset that a run of the recipe has when its first phase ends: run it with
`--steps` of that many steps, copy WORKDIR/preset, and run it to the end. The published networks are
x4 of @upscalerjs/esrgan-slim and esrgan-medium (npm, MIT, fetched by `npm pack`). One table: PSNR
and SSIM of all channels and of Y with a border of 4 left out, the perceptual distance, in features
of a MobileNetV2 that no training used, and KID. The last line is JSON.
"""

import argparse
import json
import pathlib
import sys
import tempfile
from typing import Any

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from zoo.core.commands import quiet_tensorflow

PEERS = {
    "esrgan-slim": "b53070ff01363e74d33138106dcc72b58d341c9fb7e8fd648554a4e7744142b5",
    "esrgan-medium": "367471ded0629387b9aabc75183be0b80d39d46c3f509945ebde4f5bf7a49627",
}
VERSION = "1.0.0"
DATASET, SIZE = "photo_tiles", 96  # whole tiles


class Peer:
    """A network of TensorFlow.js: uint8 [N, h, w, 3] -> uint8 [N, 4 h, 4 w, 3]; it is in [0, 1]."""

    def __init__(self, folder: pathlib.Path) -> None:
        import keras

        model = json.loads((folder / "model.json").read_text("utf-8"))
        weights = self._weights(model["weightsManifest"], folder)
        tensors: dict[str, Any] = {}
        for layer in model["modelTopology"]["model_config"]["config"]["layers"]:
            config = layer["config"]
            kind, name = layer["class_name"], config["name"]
            if kind == "InputLayer":
                source = tensors[name] = keras.Input(config["batch_input_shape"][1:])
                continue
            inputs = [tensors[node[0]] for node in layer["inbound_nodes"][0]]
            arguments = {
                key: config[key]
                for key in ("filters", "kernel_size", "padding", "activation", "size", "axis")
                if key in config
            }
            made = getattr(keras.layers, kind)(**arguments)
            tensors[name] = made(inputs if len(inputs) > 1 else inputs[0])
            if made.weights:
                made.set_weights([weights[f"{name}/kernel"], weights[f"{name}/bias"]])
        self.network = keras.Model(source, tensors[name])

    @staticmethod
    def _weights(manifest: list[dict[str, Any]], folder: pathlib.Path) -> dict[str, np.ndarray]:
        found = {}
        for group in manifest:
            data = b"".join((folder / path).read_bytes() for path in group["paths"])
            start = 0
            for weight in group["weights"]:
                count = int(np.prod(weight["shape"]))
                array = np.frombuffer(data, "<f4", count, start)
                found[weight["name"]] = array.reshape(weight["shape"])
                start += 4 * count
        return found

    def __call__(self, images: np.ndarray) -> np.ndarray:
        made = self.network(images / np.float32(255.0), training=False).numpy()
        return np.uint8(np.clip(np.rint(255.0 * made), 0, 255))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="srgan_photos_x4", help="a preset of SRGAN, x4")
    parser.add_argument("--first", help="the preset of its first phase")
    args = parser.parse_args()
    quiet_tensorflow()
    import zoo
    from trainers import data
    from trainers.data.builders.packages import npm_package, unpack_tar
    from trainers.evaluate import print_table
    from trainers.metrics import translations

    gan = zoo.load(args.model)
    beside = {"first phase": zoo.load(args.first).translate} if args.first else {}
    with tempfile.TemporaryDirectory() as folder:
        for name, sha256 in PEERS.items():
            package = npm_package(f"@upscalerjs/{name}", VERSION, sha256, folder)
            beside[name] = Peer(unpack_tar(package, folder) / "models" / "x4")
    held_out = data.load_training(
        "low_high", DATASET, split="test", resolution=SIZE, channels=3, scale=gan.scale
    )
    record = translations.measure(gan, held_out, beside=beside)
    print_table(record["scores"])
    print(json.dumps(record))


if __name__ == "__main__":
    main()
