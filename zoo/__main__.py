"""Pretrained GANs on the command line: python -m zoo sample dcgan_fashion_mnist

`python -m zoo COMMAND --help` explains one command.
"""

import argparse
import json
import pathlib
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from zoo import list_presets, load
from zoo.core import cards, presets, remote, sources
from zoo.core.commands import Parser, quiet_tensorflow, run
from zoo.core.storage import described, expanded

_VERIFY = """Print which model made each picture, one line a picture, according to its metadata.

It reads XMP and C2PA manifests, and checks the manifests' signatures (pip install '.[c2pa]').
Metadata can be removed and, without a signature, forged: a missing mark proves nothing.

The exit status is 0 if every file is marked as made by a model and no signature is invalid, and
otherwise 1."""
CHUNK = 256  # images between two signs of life


def _list(args: argparse.Namespace) -> None:
    names = list_presets(args.family)
    width = max(map(len, names))
    for name in names:
        preset = presets.get_preset(name)
        state = "pretrained" if preset.pretrained else "untrained "
        print(f"{name:{width}}  {state}  {preset.description}")


def _show(args: argparse.Namespace) -> None:
    source = sources.resolve(args.name)
    content = {
        "name": args.name,
        "family": source.family,
        "num_classes": source.config.get("num_classes", 0),
        "config": source.config,
    }
    if source.card is None:
        content |= {
            "parameters": presets.get_preset(args.name).parameters,
            "weights": f"none; zoo.load({args.name!r}, load_weights=False) builds the architecture",
        }
    else:
        content |= source.card
        # Hashes of the training images are for programs.
        data = cards.dataset_of(source.card)
        content["dataset"] = {key: value for key, value in data.items() if key != "sketch"}
    print(json.dumps(content, indent=2, ensure_ascii=False))


def _load(name: str) -> Any:
    """As `zoo.load`; an unknown name is reported before TensorFlow is imported."""
    sources.check_name(name)
    quiet_tensorflow()
    return load(name)


def _sample(args: argparse.Namespace) -> None:
    labels = _integers("--labels", args.labels)
    n = args.n
    if n is None:
        n = len(labels) if labels and len(labels) > 1 else 16
    if n < 1:
        raise ValueError(f"--n must be at least 1. Received: {n}.")
    if labels and len(labels) not in (1, n):
        raise ValueError(
            f"--labels must be one label, or as many as --n. Received: {len(labels)} for --n={n}."
        )
    if labels and len(labels) == 1:
        labels *= n
    seed = _seed(args.seed)
    path = _png(args.out, args.name)
    embeddings = _embeddings(args.embeddings, n)
    signer = _signer(args)
    gan = _load(args.name)
    import numpy as np

    from zoo.core.image_to_image import ImageToImage
    from zoo.pictures import images

    if isinstance(gan, ImageToImage):
        raise ValueError(f"{_use(gan, args.name)} Received: sample.")
    chunks = []
    begun = time.monotonic()
    for at in range(0, n, CHUNK):
        count = min(CHUNK, n - at)
        some = None if labels is None else labels[at : at + count]
        vectors = embeddings
        if embeddings is not None and embeddings.ndim == 2:
            vectors = embeddings[at : at + count]
        chunks.append(
            gan.generate(
                count,
                seed=seed + at,
                labels=some,
                embeddings=vectors,
                truncation=args.truncation,
            )
        )
        done = at + count
        if n > CHUNK:
            left = (time.monotonic() - begun) / done * (n - done)
            print(f"\r{done} of {n} images, {left:.0f} s left ", end="", file=sys.stderr)
    if n > CHUNK:
        print(file=sys.stderr)
    sheet = images.grid(np.concatenate(chunks))
    images.write_png(path, sheet, gan.mark, signer)
    count = f"1 image (seed {seed})" if n == 1 else f"{n} images (seeds {seed} to {seed + n - 1})"
    print(f"Wrote {path}: {count}, {sheet.shape[1]}x{sheet.shape[0]} px")


def _mix(args: argparse.Namespace) -> None:
    seeds_a = _integers("--seeds_a", args.seeds_a)
    seeds_b = _integers("--seeds_b", args.seeds_b)
    path = _png(args.out, args.name)
    signer = _signer(args)
    gan = _load(args.name)
    import numpy as np

    from zoo.pictures import images

    if not hasattr(gan, "mix"):
        raise ValueError(f"mix needs a StyleGAN. Received: {args.name!r} of family {gan.family!r}.")
    # The white corner, b's images, and for each a its image and its mixtures.
    of_b = gan.mix(seeds_b, seeds_b, 0, labels=args.label)
    rows = [np.full_like(of_b[:1], 255), of_b]
    for seed_a in seeds_a:
        rows.append(gan.mix(seed_a, seed_a, 0, labels=args.label))
        rows.append(gan.mix(seed_a, seeds_b, args.cutoff, labels=args.label))
    sheet = images.grid(np.concatenate(rows), columns=1 + len(seeds_b))
    images.write_png(path, sheet, gan.mark, signer)
    print(
        f"Wrote {path}: rows have the first {args.cutoff} of {gan.num_layers} styles of --seeds_a, "
        "columns the others of --seeds_b"
    )


def _translate(args: argparse.Namespace) -> None:
    mask = None if args.mask is None else expanded(args.mask)
    if mask and not mask.is_file():
        raise ValueError(f"--mask must be a picture. Received: {described(mask)}.")
    _make_files(args, "translate", seed=args.seed, direction=args.direction, mask=mask)


def _upscale(args: argparse.Namespace) -> None:
    _make_files(args, "upscale")


def _paint(args: argparse.Namespace) -> None:
    seed = _seed(args.seed)
    _make_files(args, "paint", seed=seed)
    print(f"Seeds from {seed} on")


def _make_files(args: argparse.Namespace, task: str, **how: Any) -> None:
    from zoo.pictures import files

    found = files.pairs(expanded(args.source), expanded(args.target))
    signer = _signer(args)
    gan = _load(args.name)
    from zoo.core.image_to_image import ImageToImage

    if not isinstance(gan, ImageToImage):
        raise ValueError(
            f"{task} needs a model that makes images from images. Received: {args.name!r} of "
            f"family {gan.family!r}, which draws images from noise: use sample."
        )
    if gan.task != task:
        raise ValueError(f"{_use(gan, args.name)} Received: {task}.")
    files.translate(gan, found, signer=signer, **how)


def _use(gan: Any, name: str) -> str:
    """Which command is for a model from image to image, and why."""
    does = {
        "translate": "translates pictures and keeps their size",
        "upscale": f"enlarges pictures {gan.scale} times",
        "paint": "paints label maps",
    }
    return f"Use {gan.task}: {name!r} of family {gan.family!r} {does[gan.task]}."


def _verify(args: argparse.Namespace) -> None:
    from zoo.pictures.verify import describe

    fine = True
    for path in args.files:
        line, marked = describe(path)
        print(line)
        fine &= marked
    if not fine:
        sys.exit(1)


def _signer(args: argparse.Namespace) -> Any:
    """What signs the pictures; None unless asked for."""
    given = (args.sign_certificate, args.sign_key)
    if None in given:
        if given == (None, None):
            return None
        raise ValueError("Give both --sign_certificate and --sign_key. Received: one of them.")
    from zoo.pictures.credentials import Signer

    try:
        return Signer(*given)
    except ImportError as error:
        raise ValueError(str(error)) from None


def _convert(args: argparse.Namespace) -> None:
    from zoo.core import published

    _check_new("--to", args)
    found, source_files = published.read(args.files)
    quiet_tensorflow()
    notes = published.write(found, source_files, args.to, args.licence)
    for note in notes:
        print(note)
    if args.licence is None:
        print(f"Licence: {published.NO_LICENCE}")
    print(f"Wrote {args.to}: zoo.load({args.to!r}) or python -m zoo show {args.to}")


def _push(args: argparse.Namespace) -> None:
    from zoo.core import hub

    if "://" not in args.to:  # a push to the hub is a new commit
        _check_new("TO", args)
    how = hub.push(args.name, args.to)
    print(f"Pushed {args.name} to {args.to}. Load it with {how}")


def _check_new(flag: str, args: argparse.Namespace) -> None:
    """Raises ValueError for a folder that holds a preset, unless --overwrite is given."""
    folder = expanded(args.to)
    if (folder / presets.CONFIG_FILE).exists() and not args.overwrite:
        raise ValueError(
            f"{flag} must be a new folder, or pass --overwrite. Received: {folder}, which holds "
            "a preset."
        )


def _embeddings(path: str | None, n: int) -> Any:
    """The array in a .npy file; of several rows, as many as images."""
    if path is None:
        return None
    import numpy as np

    try:
        with open(expanded(path), "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"--embeddings must be a .npy file. Received: {path}: {reason}.") from None
    if array.ndim == 2 and len(array) != n:
        raise ValueError(
            f"--embeddings must hold one row, or as many as --n. Received: {len(array)} for "
            f"--n={n}."
        )
    return array


def _seed(given: int | None) -> int:
    """A fresh one, unless one is given."""
    return secrets.randbits(32) if given is None else given


def _png(out: str | None, name: str) -> pathlib.Path:
    plain = remote.short_name(name) if "://" in name else pathlib.Path(name).name
    path = expanded(out or f"{plain}.png")
    if path.suffix.lower() != ".png":
        raise ValueError(f"--out must end in .png. Received: {path}.")
    return path


def _integers(flag: str, text: str | None) -> list[int] | None:
    """ "0,1,2" -> [0, 1, 2]."""
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"{flag} must be whole numbers separated by commas, such as 0,1,2. Received: {text!r}."
        ) from None


def _parser() -> Parser:
    parser = Parser("python -m zoo", __doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="COMMAND")

    def add(name: str, run_command: Callable[[argparse.Namespace], None], text: str) -> Parser:
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.set_defaults(command=run_command)
        if name not in ("list", "convert", "verify"):
            command.add_argument(
                "name",
                metavar="NAME",
                help="a preset's name or folder, hf://user/repo[@revision], gs://... or "
                "https://host/path#sha256=...",
            )
        return command

    command = add("list", _list, "list every preset, a line each")
    command.add_argument("--family", help="only the presets of this family")

    add("show", _show, "show configuration, parameters and card of a preset")

    command = add("sample", _sample, "draw images into one PNG")
    command.add_argument(
        "--n", type=int, metavar="N", help="how many images (default: 16, or one for each label)"
    )
    command.add_argument(
        "--seed", type=int, metavar="N", help="image i is made from seed + i (default: a fresh one)"
    )
    command.add_argument(
        "--labels",
        help="classes: one for all images, or --n of them, such as 0,1,2 (default: drawn from "
        "the seeds)",
    )
    command.add_argument(
        "--truncation",
        type=float,
        metavar="X",
        help="trades variety for fidelity; 0 gives one image for each class",
    )
    command.add_argument(
        "--embeddings",
        metavar="FILE.npy",
        help="vectors: one [d] for all images, or --n of them [n, d] (default: drawn from the "
        "seeds)",
    )
    command.add_argument("--out", metavar="PNG", help="the file to write (default: NAME.png)")

    signing = [command]

    command = add("mix", _mix, "mix styles of a StyleGAN into one PNG")
    command.add_argument("--seeds_a", default="0,1,2,3", help="seeds of the rows")
    command.add_argument("--seeds_b", default="4,5,6,7,8", help="seeds of the columns")
    command.add_argument(
        "--cutoff", type=int, default=2, metavar="N", help="take the styles of b from this layer on"
    )
    command.add_argument(
        "--label",
        type=int,
        metavar="N",
        help="the class of all images (default: drawn from the seeds)",
    )
    command.add_argument("--out", metavar="PNG", help="the file to write (default: NAME.png)")

    signing.append(command)

    translate = add(
        "translate", _translate, "translate a picture of any size, or a folder (Pix2Pix, CycleGAN)"
    )
    upscale = add("upscale", _upscale, "enlarge a picture of any size, or a folder (SRGAN)")
    paint = add(
        "paint",
        _paint,
        "paint a label map (an 8-bit grey PNG whose values are classes), or a folder of them",
    )
    signing += [translate, upscale, paint]
    for command in (translate, upscale, paint):
        command.add_argument("source", metavar="IN", help="a picture, or a folder of pictures")
        command.add_argument(
            "target",
            metavar="OUT",
            help="a .png or .jpg file; if IN is a folder, a folder for PNG files of the same "
            "names; existing files are overwritten",
        )
    translate.add_argument(
        "--direction",
        choices=("a_to_b", "b_to_a"),
        help="for models that translate both ways, such as CycleGAN (default: a_to_b)",
    )
    translate.add_argument(
        "--mask",
        metavar="PNG",
        help="a picture of the same size as IN (or as each picture in IN), white where it is to be "
        "filled (default: where IN is transparent)",
    )
    translate.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="draw the paper's noise, for picture i from seed + i (default: no noise)",
    )
    paint.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="map i is painted from seed + i (default: a fresh one)",
    )
    command = add("push", _push, "publish a preset with a page that describes it")
    command.add_argument(
        "to", metavar="TO", help="hf://user/repo[@branch] (set HF_TOKEN), or a folder"
    )
    writing = [command]
    for command in signing:
        command.add_argument(
            "--sign_certificate",
            metavar="PEM",
            help="sign what is written (C2PA) with this certificate, followed by its issuers' ones",
        )
        command.add_argument(
            "--sign_key", metavar="PEM", help="its private key, without a password"
        )
    command = add("verify", _verify, "print which model made a picture, according to its metadata")
    command.description = _VERIFY
    command.add_argument("files", nargs="+", metavar="FILE", help="a PNG, a JPEG, a WebP or a TIFF")
    command = add("convert", _convert, "turn published checkpoints into a preset; runs no code")
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="one checkpoint, or those that belong together: generator and discriminator, or "
        "CycleGAN's two directions",
    )
    command.add_argument("--to", required=True, metavar="FOLDER", help="the preset to write")
    command.add_argument(
        "--licence", metavar="TEXT", help="licence of the weights, as their publisher states it"
    )
    for writer in (*writing, command):
        writer.add_argument(
            "--overwrite", action="store_true", help="replace a preset that the folder holds"
        )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    args = _parser().parse_args(argv)
    run(lambda: args.command(args))


if __name__ == "__main__":
    main()
