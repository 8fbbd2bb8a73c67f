"""Measures generated images: python -m trainers.evaluate --preset=NAME|--run=WORKDIR|--images=DIR

The measure is KID (MobileNetV2): how far features of the generated images are from those of real
ones, about 0 for real against real, lower is better. It is no FID, and comparable only with figures
from this command at the same resize. A model is never measured on the split it was trained on.

    python -m trainers.evaluate --preset=dcgan_fashion_mnist --out=score.json
    python -m trainers.evaluate --run=runs/mine --num_images=1000
    python -m trainers.evaluate --images=my_images/ --dataset=fashion_mnist

Progress goes to stderr; stdout ends with the record, one line of JSON.
"""

import json
import pathlib

from absl import flags

from zoo.cli import quiet_tensorflow, run_with_flags


def _define_flags() -> None:
    flags.DEFINE_string("preset", None, "A pretrained preset: its name or its folder.")
    flags.DEFINE_string("run", None, "Workdir of a training run, measured as last saved.")
    flags.DEFINE_string("images", None, "A folder of images, subfolders included.")
    flags.DEFINE_string(
        "dataset", None, "Real images: a TFDS name or a folder [what the model was trained on]."
    )
    flags.DEFINE_string("split", "test", "Split of a TFDS set.")
    flags.DEFINE_integer("num_images", 5000, "Most images on either side.", lower_bound=2)
    flags.DEFINE_integer("seed", 0, "Image i is generated from seed + i.", lower_bound=0)
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
    flags.DEFINE_string("out", None, "Also write the record to this file.")


def _evaluate() -> None:
    f = flags.FLAGS
    given = [f"--{name}={f[name].value}" for name in ("preset", "run", "images") if f[name].value]
    if len(given) != 1:
        raise ValueError(
            "Give exactly one of --preset, --run and --images. "
            f"Received: {' '.join(given) or 'none'}."
        )
    out = pathlib.Path(f.out) if f.out else None
    if out and (out.is_dir() or not out.parent.is_dir()):
        raise ValueError(f"--out must be a file in a folder that exists. Received: {out}.")
    quiet_tensorflow()
    from trainers.metrics import evaluation

    if f.preset:
        fakes = evaluation.from_preset(f.preset, f.num_images, f.seed)
    elif f.run:
        fakes = evaluation.from_run(f.run, f.num_images, f.seed)
    else:
        fakes = evaluation.from_folder(f.images, f.num_images)
    record = evaluation.evaluate(
        fakes, dataset=f.dataset, split=f.split, num_images=f.num_images, data_dir=f.data_dir
    )
    print(json.dumps(record), flush=True)  # before the file: a full disk does not lose the score
    if out:
        out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Console entry point."""
    run_with_flags(_define_flags, _evaluate)


if __name__ == "__main__":
    main()
