"""The sample sets that ship with the package, in `samples/`."""

import pathlib

import numpy as np

from trainers.data.errors import DataError
from zoo.presets import near_misses

_FOLDER = pathlib.Path(__file__).parent / "samples"

# name -> licence. The pixels are `samples/<name>.npz`: images uint8 [N, H, W, C], labels uint8 [N].
SAMPLES = {"fashion_mnist": "MIT"}


def read(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns (images uint8 [N, H, W, C], labels int64 [N]) of the bundled sample `name`.

    Raises:
        DataError: for an unknown sample, or a split other than "train".
    """
    if name not in SAMPLES:
        raise DataError(
            f"Unknown sample.{near_misses(name, SAMPLES)} The bundled samples are: "
            f"{', '.join(f'sample:{known}' for known in sorted(SAMPLES))}. "
            f"Received: 'sample:{name}'."
        )
    if split != "train":
        raise DataError(
            f"A bundled sample is a part of the training images and has the split 'train' alone. "
            f"For others run `python -m trainers.data prepare {name}` and use '{name}'. "
            f"Received: 'sample:{name}', split='{split}'."
        )
    with np.load(_FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)
