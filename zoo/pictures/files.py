"""Picture files of any size, through a GAN that makes an image of an image."""

import dataclasses
import pathlib
import sys
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from zoo.core.storage import whole_file
from zoo.pictures import PictureError, folders
from zoo.pictures.marks import Mark
from zoo.pictures.tiles import translate_large

if TYPE_CHECKING:  # so that wrong paths are reported before TensorFlow is imported
    from zoo.core.image_to_image import ImageToImage
    from zoo.pictures.credentials import Signer

# Files that are written.
WRITTEN = (".png", ".jpg", ".jpeg")
# The most pixels of a file, read from its header before anything is decoded.
MAX_PIXELS = 2**27
# The most pixels of the output.
MAX_MADE = 2**28
MAX_JPEG_SIDE = 65_535
# Source channels of the models that take pictures: grey, RGB, RGB and alpha.
CHANNELS = (1, 3, 4)
JPEG_QUALITY = 95
GREY_PNG = b"\x89PNG\r\n\x1a\n"
GREY_8 = b"\x08\x00"  # bit depth and colour type
# Pixels of a transparent picture that are finished at a time, and rows beside them that they need.
PIXELS_AT_A_TIME = 2**20
REACH = 4


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded file.

    Attributes:
        given: uint8 [H, W, C], what the model takes: C is 1 or 3 for a picture on white, 4 with
            alpha. For a map of classes, [H, W].
        clear: uint8 [H, W, 4] of a transparent picture whose alpha is not in `given`: RGB as in the
            file, and alpha.
        profile: ICC profile of the colours, if there is one.
        note: What a person should know about the file; may be empty.
    """

    given: np.ndarray
    clear: np.ndarray | None = None
    profile: bytes | None = None
    note: str = ""


def read(path: pathlib.Path, channels: int, scale: int = 1) -> Picture:
    """Decodes a picture as `zoo.pictures.decoder` does, and lays it on white.

    Args:
        path: A file of any format that Pillow reads.
        channels: One of `CHANNELS`; 1 converts colours to grey, 4 keeps alpha.
        scale: The model's: there is a limit on the output, too.

    Raises:
        PictureError: Not a picture, a damaged or truncated one, too many pixels, or another number
            of bits.
    """
    from zoo.pictures import decoder

    image, profile, note = _decoded(path, scale)
    if channels == 4:
        return Picture(np.asarray(image.convert("RGBA")), None, profile, note)
    clear = np.asarray(image.convert("RGBA")) if image.mode in ("LA", "RGBA") else None
    given = np.asarray(decoder.on_white(image, channels))
    return Picture(given.reshape(*given.shape[:2], channels), clear, profile, note)


def _decoded(path: pathlib.Path, scale: int) -> tuple[Image.Image, bytes | None, str]:
    """Pixels, the profile of their colours, and what a person should know."""
    from zoo.pictures import decoder

    def check_size(width: int, height: int) -> None:
        pixels = width * height
        if pixels > MAX_PIXELS or pixels * scale**2 > MAX_MADE:
            rule = f"A picture must have at most {MAX_PIXELS:,} pixels"
            if scale > 1:
                rule += f", and {MAX_MADE:,} once it is enlarged {scale} times"
            raise PictureError(f"{rule}. Received: {pixels:,}.")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
        with decoder.opened(path, check_size) as image:
            coloured = image.mode in ("P", "RGB", "RGBA")
            profile = image.info.get("icc_profile") if coloured else None
            decoded, frames = decoder.decoded(image)
    return decoded, profile, f"the first of {frames} frames is taken" if frames > 1 else ""


def write(
    path: pathlib.Path,
    made: np.ndarray,
    picture: Picture,
    mark: Mark,
    signer: "Signer | None" = None,
) -> None:
    """Writes the output for a picture, with its alpha; completely or not at all.

    Alpha and the colours beside it are those of `zoo.pictures.transparency.off_white`. A JPEG has
    no alpha: there the output is put on white.

    Args:
        path: Ends in one of `WRITTEN`.
        made: uint8 [H, W, C], C 1 or 3.
        picture: The source.
        mark: What the file says of its origin.
        signer: Signs the mark.
    """
    from zoo.pictures import decoder

    if picture.clear is not None:
        made = _off_white(made, picture.clear)
    image = Image.fromarray(made[..., 0] if made.shape[-1] == 1 else made)
    profile = picture.profile if image.mode in ("RGB", "RGBA") else None
    how = {"icc_profile": profile, **mark.for_pillow()}
    with whole_file(path) as fresh:
        if _is_jpeg(path):
            image = decoder.on_white(image, 1 if image.mode in ("L", "LA") else 3)
            image.save(fresh, "JPEG", quality=JPEG_QUALITY, **how)
        else:
            image.save(fresh, "PNG", **how)
        if signer:
            signer.sign(fresh, mark)


def _off_white(made: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """`transparency.off_white`, some rows at a time: uint8 [H, W, C + 1]."""
    from zoo.pictures.transparency import off_white

    scale = len(made) // len(clear)
    out = np.empty([*made.shape[:2], made.shape[2] + 1], np.uint8)
    rows = max(1, PIXELS_AT_A_TIME // (scale * made.shape[1]))
    for top in range(0, len(clear), rows):
        # Bicubic interpolation sees two rows to each side.
        first, end = max(0, top - REACH), min(len(clear), top + rows + REACH)
        part = clear[first:end]
        part = off_white(made[scale * first : scale * end], part[..., :3], part[..., 3:]).numpy()
        at = scale * (top - first)
        out[scale * top : scale * (top + rows)] = part[at : at + scale * rows]
    return out


def read_map(path: pathlib.Path, num_classes: int) -> Picture:
    """Decodes a map of classes, uint8 [H, W]: the values of a PNG of 8-bit grey.

    Raises:
        PictureError: Another file, since colours, a palette or a JPEG would change the classes; a
            damaged one, one of too many pixels, or classes out of range.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(26)
    except OSError as error:
        raise PictureError(f"A map must be a file. Received: {error.strerror}.") from None
    if not head.startswith(GREY_PNG) or head[24:26] != GREY_8:
        raise PictureError(
            "A map must be a PNG of 8-bit grey, whose values are the classes. "
            "Received: a file of another kind."
        )
    image, _, _ = _decoded(path, 1)
    # A transparent class is a class.
    classes = np.asarray(image.convert("RGBA"))[..., 0]
    if classes.max() >= num_classes:
        raise PictureError(
            f"A map must hold classes from 0 to {num_classes - 1}. Received: {classes.max()}."
        )
    return Picture(classes)


def _is_jpeg(path: pathlib.Path) -> bool:
    return path.suffix.lower() != ".png"


def pairs(source: pathlib.Path, target: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Files to read, each with the file to write.

    The pictures of a folder, without its subfolders, are written as PNG files of the same names. If
    two differ only in their suffixes, these are kept, as in `photo.jpg.png`.

    Raises:
        ValueError: Nothing to read, nowhere to write, or two pictures with one name.
    """
    if not source.exists():
        raise ValueError(
            f"{folders.shown(source)} does not exist. IN must be a picture, or a folder of "
            "pictures."
        )
    if source.resolve() == target.resolve():
        raise ValueError(f"OUT must not be IN. Received: {target}.")
    if not source.is_dir():
        if target.suffix.lower() not in WRITTEN or target.is_dir():
            raise ValueError(
                f"OUT must be a file that ends in {', '.join(WRITTEN)}, as IN is a file. "
                f"Received: {target}."
            )
        return [(source, target)]
    listing = folders.find(source, subfolders=False)
    files = listing.files
    if not files:
        raise ValueError(
            f"IN must hold pictures: files that end in {', '.join(folders.SUFFIXES)}. "
            f"Received: {source}."
        )
    if target.exists() and not target.is_dir():
        raise ValueError(f"OUT must be a folder, as IN is one. Received: {target}.")
    stems = [f.stem.lower() for f in files]
    names = [f"{f.stem if stems.count(f.stem.lower()) == 1 else f.name}.png" for f in files]
    if listing.unused:
        print(f"{folders.shown(source)}: {listing.note()}", file=sys.stderr)
    taken: dict[str, pathlib.Path] = {}
    for file, name in zip(files, names, strict=True):
        other = taken.setdefault(name.lower(), file)
        if other is not file:
            raise ValueError(
                "The pictures of IN must have different names in OUT: rename one. "
                f"Received: {other.name} and {file.name}, both {name}."
            )
    return [(file, target / name) for file, name in zip(files, names, strict=True)]


def translate(
    gan: "ImageToImage",
    files: list[tuple[pathlib.Path, pathlib.Path]],
    *,
    seed: int | None = None,
    direction: str | None = None,
    mask: pathlib.Path | None = None,
    signer: "Signer | None" = None,
) -> None:
    """Translates each picture, and shows progress.

    If one of several files cannot be read, it is named and the others are still translated.

    Args:
        gan: The model.
        files: As `pairs` returns them.
        seed: Picture i draws its noise from seed + i; None for none.
        direction: As in `gan.translate`.
        mask: A picture, white where pictures are transparent, for a model that takes alpha.
        signer: Signs what the files say of their origin.

    Raises:
        ValueError: A model, direction or mask that cannot be used, or, when all are done, pictures
            that could not be translated.
    """
    direction = gan.check_direction(direction)
    painted = gan.task == "paint"
    channels, _ = gan.channels_of(direction)
    if channels not in CHANNELS:
        raise ValueError(
            f"A model that is given pictures must take 1, 3 or 4 channels. Received: {channels}."
        )
    missing = None if mask is None else _missing(mask, channels)
    failed, mark = 0, gan.mark
    shown = _Progress(len(files))
    for i, (source, target) in enumerate(files):
        try:
            if painted:
                picture = read_map(source, gan.source.num_classes)
            else:
                picture = read(source, channels, gan.scale)
            height, width = (gan.scale * side for side in picture.given.shape[:2])
            if _is_jpeg(target) and max(height, width) > MAX_JPEG_SIDE:
                raise PictureError(
                    f"A JPEG has at most {MAX_JPEG_SIDE:,} pixels a side: write a PNG. "
                    f"Received: {width}x{height}."
                )
            if missing is not None:
                picture = _cut_out(picture, missing)
            if gan.get_config().get("fill") and picture.given[..., 3].min() == 255:
                raise PictureError(
                    "A picture must be transparent where it is to be filled, or have a mask that "
                    "says where. Received: an opaque one; pass --mask."
                )
            if picture.note:
                shown.say(f"{source}: {picture.note}")
            made = translate_large(
                gan,
                picture.given,
                seed=None if seed is None else seed + i,
                direction=direction,
                progress=shown.at(i),
            )
            write(target, made, picture, mark, signer)
        except PictureError as error:
            if len(files) == 1:
                raise PictureError(f"{source}: {error}") from None
            failed += 1
            shown.say(f"{source}: {error}")
            shown.at(i)(1, 1)
    shown.end()
    if len(files) == 1:
        print(f"Wrote {target}: {width}x{height} px")
    elif failed < len(files):
        count = len(files) - failed
        print(f"Wrote {count} picture{'s' if count > 1 else ''} into {target.parent}")
    if failed:
        raise ValueError(
            f"{failed} of {len(files)} pictures could not be translated; they are named above."
        )


def _missing(mask: pathlib.Path, channels: int) -> np.ndarray:
    """The mask for a model that takes pictures of `channels`: uint8 [H, W], 255 where white."""
    if channels != 4:
        raise ValueError(
            "A mask is for a model that fills what is transparent, whose pictures have 4 channels. "
            f"Received: {mask}, for a model that takes {channels}."
        )
    try:
        image, _, _ = _decoded(mask, 1)
    except PictureError as error:
        raise PictureError(f"{mask}: {error}") from None
    missing = np.asarray(image.convert("L"))
    if image.mode in ("LA", "RGBA"):  # what nobody painted is not white
        missing = np.minimum(missing, np.asarray(image.getchannel("A")))
    if not missing.any():
        raise ValueError(
            f"A mask must be white where something is missing. Received: {mask}, black."
        )
    return missing


def _cut_out(picture: Picture, missing: np.ndarray) -> Picture:
    if missing.shape != picture.given.shape[:2]:
        (height, width), (mask_height, mask_width) = picture.given.shape[:2], missing.shape
        raise PictureError(
            "A mask must be as large as the picture. "
            f"Received: {mask_width}x{mask_height} px for {width}x{height} px."
        )
    given = picture.given.copy()
    given[..., 3] = np.minimum(given[..., 3], 255 - missing)
    return dataclasses.replace(picture, given=given)


class _Progress:
    """One line on stderr, overwritten: pictures and tiles that are done, and the time left."""

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self.begun = time.monotonic()
        self.open = False  # whether a line is not ended yet

    def at(self, picture: int) -> Callable[[int, int], None]:
        """The progress function of `translate_large` for one picture, counted from 0."""

        def progress(done: int, tiles: int) -> None:
            if self.pictures == 1 and tiles == 1:
                return
            share = (picture + done / tiles) / self.pictures
            left = (time.monotonic() - self.begun) * (1 / share - 1)
            parts = []
            if self.pictures > 1:
                parts.append(f"{picture + (done == tiles)} of {self.pictures} pictures")
            if tiles > 1:
                parts.append(f"{done} of {tiles} tiles")
            line = f"{', '.join(parts)}, {left:.0f} s left"
            print(f"\r{line:50}", end="", file=sys.stderr, flush=True)
            self.open = True

        return progress

    def say(self, text: str) -> None:
        """Prints a separate line."""
        self.end()
        print(text, file=sys.stderr)

    def end(self) -> None:
        """Ends the line, if there is one."""
        if self.open:
            print(file=sys.stderr)
        self.open = False
