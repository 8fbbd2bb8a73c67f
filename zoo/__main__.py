"""python -m zoo list | show NAME | sample NAME: presets at the command line."""

import argparse
import json
import pathlib
import sys
import time

from zoo import list_presets, load, presets
from zoo.cli import quiet_tensorflow, run

CHUNK = 256  # images between two signs of life


def _list(args: argparse.Namespace) -> None:
    names = list_presets(args.family)
    width = max(map(len, names))
    for name in names:
        preset = presets.get_preset(name)
        state = "pretrained" if preset.pretrained else "untrained "
        print(f"{name:{width}}  {state}  {preset.description}")


def _show(args: argparse.Namespace) -> None:
    source = presets.resolve(args.name)
    content = {"name": args.name, "family": source.family, "config": source.config}
    if source.card is None:
        content |= {
            "parameters": presets.get_preset(args.name).parameters,
            "weights": f"none; zoo.load({args.name!r}, load_weights=False) builds the architecture",
        }
    else:
        content |= source.card
    print(json.dumps(content, indent=2, ensure_ascii=False))


def _sample(args: argparse.Namespace) -> None:
    if args.n < 1:
        raise ValueError(f"--n must be at least 1. Received: {args.n}.")
    path = pathlib.Path(args.out or f"{pathlib.Path(args.name).name}.png")
    if path.suffix.lower() != ".png":
        raise ValueError(f"--out must end in .png. Received: {path}.")
    quiet_tensorflow()
    import numpy as np

    from zoo import images

    gan = load(args.name)
    chunks = []
    begun = time.monotonic()
    for at in range(0, args.n, CHUNK):
        chunks.append(gan.generate(min(CHUNK, args.n - at), seed=args.seed + at))
        done = at + len(chunks[-1])
        if args.n > CHUNK:
            left = (time.monotonic() - begun) / done * (args.n - done)
            print(f"\r{done} of {args.n} images, {left:.0f} s left ", end="", file=sys.stderr)
    if args.n > CHUNK:
        print(file=sys.stderr)
    sheet = images.grid(np.concatenate(chunks))
    images.write_png(path, sheet)
    count = "1 image" if args.n == 1 else f"{args.n} images"
    print(f"Wrote {path}: {count}, {sheet.shape[1]}x{sheet.shape[0]} px")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m zoo", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("list", help="every preset, a line each")
    command.add_argument("--family", help="of one family only")
    command.set_defaults(command=_list)

    command = commands.add_parser("show", help="configuration, parameters and card of a preset")
    command.add_argument("name", help="a preset's name or folder, hf://user/repo or gs://...")
    command.set_defaults(command=_show)

    command = commands.add_parser("sample", help="draw images into one PNG")
    command.add_argument("name", help="a preset's name or folder, hf://user/repo or gs://...")
    command.add_argument("--n", type=int, default=16, help="how many images [16]")
    command.add_argument("--seed", type=int, default=0, help="image i is made from seed + i [0]")
    command.add_argument("--out", help="the PNG [NAME.png]")
    command.set_defaults(command=_sample)
    return parser


def main() -> None:
    """Console entry point."""
    args = _parser().parse_args()
    run(lambda: args.command(args))


if __name__ == "__main__":
    main()
