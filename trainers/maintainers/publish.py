"""Bundles a finished run as a pretrained preset.

    python -m trainers.maintainers.publish --run=WORKDIR

Writes zoo/pretrained/<preset>/ with float16 weights, the run's card and the licence, and adds
scores of exactly these weights on the test split of the training data set: KID, recall and coverage
with two feature networks, each next to its floor (the score of training images); class balance if
the data have labels; class accuracy if the model is conditional; and for an image-to-image model
the similarity to the targets, next to simple baselines.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

from zoo.core import presets, sources
from zoo.core.commands import Parser, quiet_tensorflow, run

IMAGES = 5000


def _parser() -> Parser:
    parser = Parser("python -m trainers.maintainers.publish", __doc__)
    parser.add_argument("--run", metavar="WORKDIR", required=True, help="the workdir of the run")
    parser.add_argument("--to", metavar="DIR", help="folder of presets (default: zoo/pretrained)")
    parser.add_argument(
        "--licence",
        default="Apache-2.0",
        help="licence of the weights; share-alike data require their own licence",
    )
    return parser


def _publish(args: argparse.Namespace) -> None:
    source = sources.of_run(args.run)
    quiet_tensorflow()
    import zoo
    from trainers.metrics import translations
    from trainers.metrics.fakes import from_preset

    gan = zoo.load(str(source))
    folder = pathlib.Path(args.to or presets.PRETRAINED) / gan.card["name"]
    card = {
        "description": zoo.get_preset(gan.card["name"]).description,
        "licence": args.licence,
    }
    gan.save_to_preset(folder, card=card, dtype="float16")
    gan = zoo.load(str(folder))  # as users will
    if gan.takes == "images":
        record = measured(from_preset(str(folder), IMAGES, seed=0), _metrics(gan))
    else:
        gan.examples = _examples(gan)
        record = translations.evaluate(gan, num_images=IMAGES)
    gan.save_to_preset(folder, card={**card, "scores": [record]}, dtype="float16")
    for metric in record.get("metrics", {}).values():
        value = metric.get("value_x1000")
        shown = f"{metric['value']:.3f}" if value is None else f"{value:.0f} (x 1000)"
        print(f"{metric['name']}: {shown}")
    for name, values in record.get("scores", {}).items():
        print(f"{name}: {', '.join(f'{key} {value:.4g}' for key, value in values.items())}")
    print(f"Wrote {folder}")


def measured(fakes: Any, metrics: Sequence[str]) -> dict[str, Any]:
    """Evaluates a preset's images with both bundled feature networks, and training images as well.

    Args:
        fakes: The preset's images.
        metrics: Metrics with MobileNetV2; with the other network they are `catalogue.DEFAULT`.

    Returns:
        The record with MobileNetV2. Its "floor" and that of "second_network" are the metrics of
        equally many training images, compared with the same test images.
    """
    from trainers import data
    from trainers.metrics import catalogue, comparison
    from trainers.metrics.extractor import Features
    from trainers.metrics.fakes import Fakes

    dataset, split = fakes.trained_on["name"], fakes.trained_on["split"]
    height, _, channels = fakes.image_shape
    training = data.load(dataset, split=split, resolution=height, channels=channels)
    count = min(fakes.count, training.count)
    real = Fakes(
        batches=comparison.image_batches(training, count),
        count=count,
        image_shape=fakes.image_shape,
        source={"dataset": dataset, "split": split},
    )
    records = []
    for network, names in (("mobilenet_v2", metrics), ("efficientnet_lite0", catalogue.DEFAULT)):
        features = Features(network=network)
        record = comparison.evaluate(fakes, metrics=names, num_images=IMAGES, features=features)
        floor = comparison.evaluate(
            real, metrics=catalogue.DEFAULT, dataset=dataset, num_images=IMAGES, features=features
        )
        records.append({**record, "floor": floor["metrics"]})
    first, second = records
    kept = ("metrics", "floor", "network", "network_sha256", "preprocessing")
    return {**first, "second_network": {key: second[key] for key in kept}}


def _examples(gan: Any) -> tuple[Any, Any] | None:
    """Examples for the sheet, from the bundled sample, since not every data set may be shown.

    None if there is no sample; then there is no sheet.
    """
    from trainers import data
    from trainers.data import bundled
    from trainers.loop import examples_of

    name, training = gan.card["dataset"]["name"], gan.card["training"]
    if name not in bundled.SAMPLES:
        return None
    pairs = {"task": training.get("task"), "reverse": training.get("reverse", False)}
    return examples_of(data.load_for(gan, f"sample:{name}", split="train", **pairs))


def _metrics(gan: Any) -> tuple[str, ...]:
    from trainers import data
    from trainers.metrics import catalogue

    height, _, channels = gan.image_shape
    name = gan.card["dataset"]["name"]
    labelled = data.load(name, split="test", resolution=height, channels=channels).num_classes
    return (
        *catalogue.DEFAULT,
        *(("class_balance",) if labelled else ()),
        *(("class_accuracy",) if gan.num_classes else ()),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    args = _parser().parse_args(argv)
    run(lambda: _publish(args))


if __name__ == "__main__":
    main()
