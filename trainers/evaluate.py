"""Measures generated images: python -m trainers.evaluate --preset=NAME|--run=WORKDIR|--images=DIR

    python -m trainers.evaluate --preset=dcgan_fashion_mnist --out=score.json
    python -m trainers.evaluate --run=runs/mine --metrics=kid,fid,recall --num_images=10000
    python -m trainers.evaluate --preset=dcgan_fashion_mnist --metrics=nearest --nearest_out=n.png
    python -m trainers.evaluate --images=my_images/ --dataset=fashion_mnist

--metrics takes any of these, with commas:

    kid              how far the images are from real ones, lower is better; trustworthy from about
                     1,000 images on
    fid              the Frechet distance between the same, lower is better; wants 10,000 images or
                     more, and more than the network has features (2,048 or 1,280). Called FID on
                     InceptionV3 alone, otherwise frechet_distance
    inception_score  is one thing seen in each image, and many things in all? InceptionV3 alone
    precision        share of generated images that look like a real one
    recall           share of real images that look like a generated one: sees lost variety
    density          as precision, about 1 for real against real
    coverage         as recall, about .97 for real against real
    ppl              how smoothly images change from latent to latent, lower is better
    class_accuracy   does a model with classes draw what it is asked for? Labelled sets
    class_balance    are classes missing? 0 to 1, lower is better. Labelled sets
    nearest          is it copying its training images? Well below 1 tells of copies

Classes are those that a small classifier sees, which is trained on the real training images first.
All others look through a network trained on ImageNet, and figures of different networks do not
compare: InceptionV3 if Keras has its weights on this machine already (--network=inception_v3
downloads them, 92 MB), else the bundled MobileNetV2. A model is never measured on the split that it
was trained on.

A model that makes images of images is measured on pairs that it has not seen, beside plain
baselines: L1, PSNR and SSIM (of all channels and of Y), a perceptual distance and KID, each of the
model, of bicubic where it enlarges, else of the source as it is, of one colour for all and of the
nearest training pair. One that learnt without pairs: KID of each direction against the images it
is to look like, how far an image is from itself there and back, and where the held-out images of
both domains have the same names, the distance to the true counterpart; beside the images as they
are. --metrics, --seed and --nearest_out are for the others, --task is for these.

Progress goes to stderr; stdout ends with the record, one line of JSON.
"""

import json
import pathlib
import sys
from typing import Any

from absl import flags

from zoo.core.commands import quiet_tensorflow, run_with_flags

# Images below which chance decides.
TRUSTWORTHY = 1000


def _define_flags() -> None:
    from trainers.metrics.catalogue import DEFAULT

    flags.DEFINE_string("preset", None, "A pretrained preset: its name or its folder.")
    flags.DEFINE_string("run", None, "Workdir of a training run, measured as last saved.")
    flags.DEFINE_string("images", None, "A folder of images, subfolders included.")
    flags.DEFINE_list("metrics", list(DEFAULT), "What to measure; see above.")
    flags.DEFINE_enum(
        "network", "auto", ["auto", "inception_v3", "mobilenet_v2"], "The feature network."
    )
    flags.DEFINE_string(
        "dataset", None, "Real images: a TFDS name or a folder [what the model was trained on]."
    )
    flags.DEFINE_string(
        "task", None, "What makes the sources of plain images [what the model was trained on]."
    )
    flags.DEFINE_string("split", "test", "Split of a TFDS set.")
    flags.DEFINE_integer(
        "num_images",
        5000,
        "Most images on either side (training images are taken all).",
        lower_bound=1,
    )
    flags.DEFINE_integer("seed", 0, "Image i is generated from seed + i.", lower_bound=0)
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
    flags.DEFINE_string("out", None, "Also write the record to this file.")
    flags.DEFINE_string(
        "nearest_out",
        None,
        "With --metrics=nearest: a PNG of the generated images that are nearest to a training "
        "image, on the left, each beside its nearest ones.",
    )


def _evaluate() -> None:
    from trainers.metrics import catalogue
    from trainers.metrics.fakes import from_folder, from_preset, from_run

    f = flags.FLAGS
    given = [f"--{name}={f[name].value}" for name in ("preset", "run", "images") if f[name].value]
    if len(given) != 1:
        raise ValueError(
            "Give exactly one of --preset, --run and --images. "
            f"Received: {' '.join(given) or 'none'}."
        )
    metrics = catalogue.resolve(name.strip() for name in f.metrics)
    out, nearest_out = (
        _file(name, f[name].value) if f[name].value else None for name in ("out", "nearest_out")
    )
    if nearest_out and "nearest" not in metrics:
        raise ValueError(
            "--nearest_out shows what --metrics=nearest finds. "
            f"Received: --metrics={','.join(metrics)}."
        )
    quiet_tensorflow()
    from trainers.metrics import comparison
    from trainers.metrics.extractor import Features

    fakes = None
    if f.preset:  # before the network is built: a mistyped name fails sooner
        fakes = from_preset(f.preset, f.num_images, f.seed)
    elif f.run:
        fakes = from_run(f.run, f.num_images, f.seed)
    if fakes and fakes.gan.takes != "images":
        if f.network == "inception_v3":
            raise ValueError(
                "A model that makes images of images is measured on the bundled MobileNetV2. "
                f"Received: --network={f.network}."
            )
        from trainers.metrics import translations

        record = translations.evaluate(
            fakes.gan,
            dataset=f.dataset,
            task=f.task,
            split=f.split,
            num_images=f.num_images,
            data_dir=f.data_dir,
        )
        print_table(record["scores"])
        _write({**record, "source": fakes.source}, out)
        return
    features = Features(network=f.network)
    fakes = fakes or from_folder(f.images, f.num_images, features.resize)
    record = comparison.evaluate(
        fakes,
        metrics=metrics,
        dataset=f.dataset,
        split=f.split,
        num_images=f.num_images,
        data_dir=f.data_dir,
        features=features,
        nearest_out=nearest_out,
    )
    few = min(record["num_fake"], record["num_real"] or record["num_fake"])
    if few < TRUSTWORTHY:
        print(f"warning: {few} images are too few for a score to trust", file=sys.stderr)
    for metric in record["metrics"].values():
        print(f"{metric['name']}: {metric['value']:.4g}")
    _write(record, out)


def print_table(scores: dict[str, dict[str, float]]) -> None:
    """Prints {row: {column: value}}, all rows of the same columns."""
    width = max(map(len, scores))
    print(" " * width, *(f"{name:>10}" for name in next(iter(scores.values()))))
    for name, values in scores.items():
        print(f"{name:{width}}", *(f"{value:10.4g}" for value in values.values()))


def _write(record: dict[str, Any], out: pathlib.Path | None) -> None:
    print(json.dumps(record), flush=True)  # before the file: a full disk does not lose the score
    if out:
        out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _file(flag: str, value: str) -> pathlib.Path:
    path = pathlib.Path(value)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"--{flag} must be a file in a folder that exists. Received: {path}.")
    return path


def main() -> None:
    """Console entry point."""
    run_with_flags(_define_flags, _evaluate)


if __name__ == "__main__":
    main()
