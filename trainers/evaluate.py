"""Measures generated images: python -m trainers.evaluate --preset=NAME|--run=WORKDIR|--images=DIR

    python -m trainers.evaluate --preset=dcgan_fashion_mnist --out=score.json
    python -m trainers.evaluate --run=runs/mine --metrics=kid,fid,recall --num_images=10000
    python -m trainers.evaluate --preset=dcgan_fashion_mnist --metrics=nearest --nearest_out=n.png
    python -m trainers.evaluate --images=my_images/ --dataset=fashion_mnist

--metrics takes any of these, with commas:

    kid              distance between generated and real images, lower is better; reliable from
                     about 1,000 images
    fid              Frechet distance between generated and real images, lower is better; needs
                     10,000 images or more, and more than the network has features (2,048 or
                     1,280). Called FID only with InceptionV3, otherwise frechet_distance
    inception_score  does each image show one thing, and do all images together show many? Needs
                     InceptionV3
    precision        share of generated images that look like a real one
    recall           share of real images that look like a generated one: drops in mode collapse
    density          like precision, about 1 for real against real
    coverage         like recall, about .97 for real against real
    ppl              how smoothly images change from latent to latent, lower is better
    class_accuracy   does a conditional model draw the requested class? Needs a labelled set
    class_balance    are classes missing? 0 to 1, lower is better. Needs a labelled set
    nearest          does the model copy its training images? Values well below 1 mean copies

The two class metrics use a small classifier, which is first trained on the real training images.
All other metrics use a network trained on ImageNet: InceptionV3 if its weights are already in
Keras's cache (--network=inception_v3 downloads them, 92 MB), else the bundled MobileNetV2. For a
second opinion, EfficientNet-Lite0 is bundled too (--network=efficientnet_lite0). Scores from
different networks cannot be compared. A model is never evaluated on its training images: the hashes
in its card recognise them under other names, in other formats and mirrored.

Image-to-image models are evaluated on unseen pairs: L1, PSNR and SSIM (of all channels and of Y), a
perceptual distance and KID, for the model and for simple baselines. The baseline is bicubic
interpolation if the model enlarges. Otherwise the baselines are the source itself, one colour for
all images, and the nearest training pair. A model trained without pairs is evaluated by the KID of
each direction against the target domain, and by the distance between an image and its translation
there and back. If the held-out images of both domains have the same names, the distance to the true
counterpart is given too. --metrics, --seed and --nearest_out are for models that generate images
from noise, --task is for image-to-image models.

Progress goes to stderr; the last line of stdout is the record, as JSON.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from trainers.metrics import catalogue
from zoo.core import sources
from zoo.core.commands import Parser, at_least, quiet_tensorflow, run

# With fewer images, scores are mostly noise.
TRUSTWORTHY = 1000


def _parser() -> Parser:
    parser = Parser("python -m trainers.evaluate", __doc__, usage="%(prog)s [--flag=value ...]")
    generated = parser.add_argument_group("generated images")
    generated.add_argument(
        "--preset", metavar="NAME", help="a pretrained preset: its name or its folder"
    )
    generated.add_argument(
        "--run", metavar="WORKDIR", help="or the workdir of a training run, as last saved"
    )
    generated.add_argument(
        "--images", metavar="DIR", help="or a folder of images, subfolders included"
    )
    generated.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="image i is drawn from seed + i"
    )
    real = parser.add_argument_group("real images")
    real.add_argument(
        "--dataset",
        metavar="NAME",
        help="a TFDS name or a folder (default: what the model was trained on)",
    )
    real.add_argument(
        "--task",
        help="how sources are made from plain images (default: what the model was trained on)",
    )
    real.add_argument(
        "--split",
        default="test",
        help="split of the set: of a TFDS set, or of a folder that has train/ and test/",
    )
    real.add_argument("--data_dir", metavar="DIR", help="where TFDS keeps its data sets")
    how = parser.add_argument_group("metrics")
    how.add_argument(
        "--metrics", default=",".join(catalogue.DEFAULT), metavar="A,B", help="see above"
    )
    how.add_argument(
        "--network",
        default="auto",
        choices=("auto", "inception_v3", "mobilenet_v2", "efficientnet_lite0"),
        help="the feature network",
    )
    how.add_argument(
        "--num_images",
        type=at_least(1),
        default=5000,
        metavar="N",
        help="maximum number of generated and of real images; training images: all",
    )
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="FILE", help="also write the record to this file")
    output.add_argument(
        "--nearest_out",
        metavar="PNG",
        help="with --metrics=nearest: also write a picture of the generated images that are "
        "closest to training images, each on the left of its nearest training images",
    )
    return parser


def _check(args: argparse.Namespace) -> tuple[str, ...]:
    """Raises ValueError for errors that can be found without TensorFlow; returns the metrics."""
    given = [
        f"--{name}={getattr(args, name)}"
        for name in ("preset", "run", "images")
        if getattr(args, name)
    ]
    if len(given) != 1:
        raise ValueError(
            "Give exactly one of --preset, --run and --images. "
            f"Received: {' '.join(given) or 'none'}."
        )
    metrics = catalogue.resolve(name.strip() for name in args.metrics.split(","))
    if args.nearest_out and "nearest" not in metrics:
        raise ValueError(
            "--nearest_out shows what --metrics=nearest finds. "
            f"Received: --metrics={','.join(metrics)}."
        )
    if args.preset:
        sources.check_name(args.preset)
    if args.run:
        sources.of_run(args.run)
    if args.images and not pathlib.Path(args.images).expanduser().is_dir():
        raise ValueError(f"--images must be an existing folder. Received: {args.images}.")
    if args.dataset:
        from trainers.data import naming

        naming.check(args.dataset, args.data_dir)
    for name in ("out", "nearest_out"):
        if getattr(args, name):
            _make_folder(name, pathlib.Path(getattr(args, name)))
    return metrics


def _evaluate(args: argparse.Namespace) -> None:
    metrics = _check(args)
    out = pathlib.Path(args.out) if args.out else None
    quiet_tensorflow()
    from trainers.metrics import comparison
    from trainers.metrics.extractor import Features
    from trainers.metrics.fakes import from_folder, from_preset, from_run

    fakes = None
    if args.preset:
        fakes = from_preset(args.preset, args.num_images, args.seed)
    elif args.run:
        fakes = from_run(args.run, args.num_images, args.seed)
    if fakes and fakes.gan.takes != "images":
        if args.network not in ("auto", "mobilenet_v2"):
            raise ValueError(
                "A model that makes images from images is measured with the bundled MobileNetV2. "
                f"Received: --network={args.network}."
            )
        from trainers.metrics import translations

        record = translations.evaluate(
            fakes.gan,
            dataset=args.dataset,
            task=args.task,
            split=args.split,
            num_images=args.num_images,
            data_dir=args.data_dir,
        )
        print_table(record["scores"])
        _write({**record, "source": fakes.source}, out)
        return
    features = Features(network=args.network)
    fakes = fakes or from_folder(args.images, args.num_images, features.resize)
    record = comparison.evaluate(
        fakes,
        metrics=metrics,
        dataset=args.dataset,
        split=args.split,
        num_images=args.num_images,
        data_dir=args.data_dir,
        features=features,
        nearest_out=args.nearest_out,
    )
    few = min(record["num_fake"], record["num_real"] or record["num_fake"])
    if few < TRUSTWORTHY:
        print(f"warning: {few} images are too few for a reliable score", file=sys.stderr)
    for metric in record["metrics"].values():
        print(f"{metric['name']}: {metric['value']:.4g}")
    _write(record, out)


def print_table(scores: dict[str, dict[str, float]]) -> None:
    """Prints {row: {column: value}}; all rows have the same columns."""
    width = max(map(len, scores))
    print(" " * width, *(f"{name:>10}" for name in next(iter(scores.values()))))
    for name, values in scores.items():
        print(f"{name:{width}}", *(f"{value:10.4g}" for value in values.values()))


def _write(record: dict[str, Any], out: pathlib.Path | None) -> None:
    print(json.dumps(record), flush=True)  # first, so that a full disk does not lose the score
    if out:
        out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _make_folder(flag: str, path: pathlib.Path) -> None:
    """Creates the folder of an output file first, so that a bad path is reported at once."""
    if path.is_dir():
        raise ValueError(f"--{flag} must be a file. Received: {path}, which is a folder.")
    path.parent.mkdir(parents=True, exist_ok=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    args = _parser().parse_args(argv)
    run(lambda: _evaluate(args))


if __name__ == "__main__":
    main()
