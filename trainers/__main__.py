"""Trains a GAN: python -m trainers --preset=NAME --dataset=NAME --workdir=DIR --steps=N

    python -m trainers --preset=dcgan_fashion_mnist --dataset=sample:fashion_mnist \\
        --batch_size=16 --steps=2000 --workdir=runs/clothes
    python -m trainers --family=stylegan2 --resolution=64 --set fmap_max=64 \\
        --dataset=photos --steps=20000 --batch_size=16 --workdir=runs/photos
    python -m trainers --recipe=dcgan_fashion_mnist --workdir=runs/dcgan

Run the same command again to resume. Write flags as --name=value or --name value.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

from trainers.recipes import get_recipe
from trainers.run import Run, family_of
from zoo.core import arguments
from zoo.core.commands import Parser, add_fields, at_least, quiet_tensorflow, run


def _parser() -> Parser:
    usage = "%(prog)s [--flag=value ...]"
    parser = Parser("python -m trainers", __doc__, usage=usage)
    groups = add_fields(parser, Run)
    model = groups["model"]
    model.add_argument(
        "--resolution",
        type=at_least(1),
        metavar="N",
        help="height and width of the images (default with --family: from the images, at most 128)",
    )
    model.add_argument(
        "--channels",
        type=int,
        choices=(1, 3),
        help="1 for grey, 3 for RGB (default with --family: from the images)",
    )
    model.add_argument(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="any constructor argument of the family, such as --set group=8; may be repeated",
    )
    groups["output"].add_argument(
        "--accept_changes",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="resume even if settings differ from those the run started with",
    )
    groups["devices and speed"].add_argument(
        "--profile",
        type=at_least(0),
        default=0,
        metavar="N",
        help="number of steps to profile, for TensorBoard",
    )
    groups["training"].add_argument(
        "--dry_run",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="measure a few steps, print what the run would cost, and write nothing",
    )
    return parser


def _run_of(args: argparse.Namespace) -> Run:
    """The run that the flags describe, with every check that does not need TensorFlow."""
    given: dict[str, Any] = {
        field.name: getattr(args, field.name)
        for field in dataclasses.fields(Run)
        if hasattr(args, field.name)
    }
    if "recipe" in given:
        given = get_recipe(given["recipe"]) | given
    if args.dry_run:
        given.setdefault("workdir", "")
    missing = [f"--{name}" for name in ("dataset", "workdir", "steps") if name not in given]
    if "preset" not in given and "family" not in given:
        missing.insert(0, "--preset or --family")
    if missing:
        raise ValueError(
            f"Give {' and '.join(missing)}"
            + ("" if "recipe" in given else ", or a --recipe and a --workdir")
            + ". See python -m trainers --help."
        )
    described = Run(**given)
    described.check()
    sizes = [
        f"{name}={getattr(args, name)}"
        for name in ("resolution", "channels")
        if getattr(args, name) is not None
    ]
    family = family_of(described)
    if not sizes and not args.set:
        return described
    if family is None:
        raise ValueError(
            "--set, --resolution and --channels need a preset on this machine, whose family is "
            f"known. Received: --preset={described.preset}."
        )
    config = {**(described.config or {}), **arguments.parse(family, [*sizes, *(args.set or [])])}
    return dataclasses.replace(described, config=config)


def _train(args: argparse.Namespace) -> None:
    described = _run_of(args)
    from trainers.data import naming

    naming.check(described.dataset, described.data_dir)
    if described.evaluate_dataset:
        naming.check(described.evaluate_dataset, described.data_dir)
    quiet_tensorflow()
    from trainers.dry_run import dry_run
    from trainers.loop import train

    if args.dry_run:
        dry_run(described)
    else:
        train(described, accept_changes=args.accept_changes, profile=args.profile)


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    args = _parser().parse_args(argv)
    run(lambda: _train(args))


if __name__ == "__main__":
    main()
