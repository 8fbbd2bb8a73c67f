"""More than 200 pictures of odd and hostile kinds, made from code.

`pictures()` gives (name, bytes of a file, what must happen):

    "read"     every way gives the picture; the graph may ask for a PNG or a JPEG instead
    "refused"  no way gives a picture, each says one line
    "either"   a way gives the picture or says one line: sizes above a limit of some, and files that
               one decoder forgives
"""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from tests.translating import LYING, encoded, jpeg_of_size, lying, png_of_size

Named = tuple[str, bytes, str]

HEIGHT, WIDTH = 21, 30
# PNG's colour types, and channels of each.
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
# Of Adam7: first row and column, and steps, of each pass.
PASSES = [
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
]


def photo(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """uint8 [height, width, 3]: smooth enough for a JPEG, and no two channels alike."""
    y, x = np.mgrid[:height, :width] / 8
    waves = [np.sin(x + y / 2), np.cos(y - x / 3), np.sin(x * y / 7)]
    return np.rint(127.5 + 120 * np.stack(waves, -1)).astype(np.uint8)


def alpha() -> np.ndarray:
    """uint8 [HEIGHT, WIDTH]: every level, transparent and opaque pixels among them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.clip((x * 2 + y) * 5 - 60, 0, 255).astype(np.uint8)


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _rows(samples: np.ndarray, depth: int, line_filter: int) -> bytes:
    """Scanlines [h, w, c] of a PNG, each under one filter."""
    rows = bytearray()
    step = max(1, samples.shape[2] * depth // 8)
    before = None
    for row in samples.reshape(len(samples), -1):
        if depth == 16:
            line = row.astype(">u2").tobytes()
        elif depth == 8:
            line = row.astype(np.uint8).tobytes()
        else:
            bits = (row[:, None] >> np.arange(depth)[::-1]) & 1
            line = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
        now = np.frombuffer(line, np.uint8).astype(int)
        up = np.zeros_like(now) if before is None else before
        left = np.concatenate([np.zeros(step, int), now[:-step]])[: len(now)]
        corner = np.concatenate([np.zeros(step, int), up[:-step]])[: len(now)]
        guess = left + up - corner
        distance = np.abs(guess - np.stack([left, up, corner]))
        paeth = np.stack([left, up, corner])[distance.argmin(0), np.arange(len(now))]
        taken = [0, left, up, (left + up) // 2, paeth][line_filter]
        rows += bytes([line_filter]) + ((now - taken) % 256).astype(np.uint8).tobytes()
        before = now
    return bytes(rows)


def png(
    samples: np.ndarray,
    depth: int,
    kind: int,
    *,
    interlaced: bool = False,
    before: bytes = b"",
    after: bytes = b"",
    line_filter: int = 0,
    pieces: int = 1,
) -> bytes:
    """A PNG of integers [h, w, c], with chunks before and after the pixels."""
    samples = samples.reshape(*samples.shape[:2], CHANNELS[kind])
    height, width = samples.shape[:2]
    parts = [samples]
    if interlaced:
        parts = [samples[y::down, x::right] for y, x, down, right in PASSES]
    lines = b"".join(_rows(part, depth, line_filter) for part in parts if part.size)
    packed = zlib.compress(lines)
    cuts = np.linspace(0, len(packed), pieces + 1).astype(int)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            before,
            *(chunk(b"IDAT", packed[a:b]) for a, b in itertools.pairwise(cuts)),
            after,
            chunk(b"IEND", b""),
        ]
    )


def tiff(samples: np.ndarray, bits: int, photometric: int) -> bytes:
    """An uncompressed TIFF of unsigned integers [h, w] or [h, w, c] of 8 or 16 bits."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    content = samples.astype("<u2" if bits == 16 else "u1").tobytes()
    tags = [
        (256, 4, 1, samples.shape[1]),
        (257, 4, 1, samples.shape[0]),
        (258, 3, 1, bits) if channels == 1 else (258, 3, channels, 8 + 2 + 9 * 12 + 4),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 200),
        (277, 3, 1, channels),
        (278, 4, 1, samples.shape[0]),
        (279, 4, 1, len(content)),
    ]
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags))
    head += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    head += struct.pack("<H", bits) * channels
    return head.ljust(200, b"\0") + content


def exif(value: int, kind: int = 3, order: str = ">") -> bytes:
    """A TIFF file that holds an orientation alone."""
    start = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(order + "HHI", 0x0112, kind, 1)
    entry += struct.pack(order + ("I" if kind == 4 else "HH"), value, *([] if kind == 4 else [0]))
    return start + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def with_segment(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments right after its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def without_segment(jpeg: bytes, marker: int) -> bytes:
    at = jpeg.index(b"\xff" + bytes([marker]))
    return jpeg[:at] + jpeg[at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0] :]


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def pictures() -> Iterator[Named]:
    """All of them."""
    for family, made in [
        ("png", _pngs()),
        ("broken_png", _broken_pngs()),
        ("jpeg", _jpegs()),
        ("other", _others()),
        ("size", _sizes()),
    ]:
        for name, data, outcome in made:
            yield f"{family}_{name}", data, outcome


def _pngs() -> Iterator[Named]:
    colours, clear = photo(), alpha()
    grey = colours[..., 0]
    for interlaced in (False, True):
        way = "interlaced" if interlaced else "plain"
        for depth in (1, 2, 4, 8):
            few = grey >> (8 - depth)
            yield f"grey_{depth}_{way}", png(few, depth, GREY, interlaced=interlaced), "read"
            key = chunk(b"tRNS", struct.pack(">H", int(few[3, 4])))
            data = png(few, depth, GREY, interlaced=interlaced, before=key)
            yield f"grey_{depth}_{way}_clear_colour", data, "read"
            palette = chunk(b"PLTE", colours.reshape(-1, 3)[: 2**depth].tobytes())
            data = png(few, depth, PALETTE, interlaced=interlaced, before=palette)
            yield f"palette_{depth}_{way}", data, "read"
            key = palette + chunk(b"tRNS", bytes([0, 90, 255][: 2**depth]))
            data = png(few, depth, PALETTE, interlaced=interlaced, before=key)
            yield f"palette_{depth}_{way}_alpha", data, "read"
        for kind, samples in [
            ("grey", grey),
            ("rgb", colours),
            ("grey_alpha", np.dstack([grey, clear])),
            ("rgb_alpha", np.dstack([colours, clear])),
        ]:
            of = {"grey": GREY, "rgb": RGB, "grey_alpha": GREY_ALPHA, "rgb_alpha": RGB_ALPHA}[kind]
            wide = samples.astype(int) * 256 + (np.arange(samples.size) % 251).reshape(
                samples.shape
            )
            yield f"{kind}_16_{way}", png(wide, 16, of, interlaced=interlaced), "read"
            if kind != "grey":
                yield f"{kind}_8_{way}", png(samples, 8, of, interlaced=interlaced), "read"
            if kind in ("grey", "rgb"):
                # Of 16 bits, only the one colour is clear, not those that share its upper bits.
                wide[5:9, 5:9], wide[5:9, 9:12] = wide[5, 5], wide[5, 5] ^ 1
                key = chunk(b"tRNS", np.atleast_1d(wide[5, 5]).astype(">u2").tobytes())
                data = png(wide, 16, of, interlaced=interlaced, before=key)
                yield f"{kind}_16_{way}_clear_colour", data, "read"
    key = chunk(b"tRNS", colours[4, 4].astype(">u2").tobytes())
    yield "rgb_8_clear_colour", png(colours, 8, RGB, before=key), "read"
    for hidden in (0, 128, 255):
        covered = np.where(clear[..., None] > 0, colours, hidden)
        yield f"hidden_{hidden}", png(np.dstack([covered, clear]), 8, RGB_ALPHA), "read"
    for level in (0, 1, 20, 127, 254, 255):
        data = png(np.dstack([colours, np.full_like(clear, level)]), 8, RGB_ALPHA)
        yield f"alpha_of_{level}", data, "read"
    for line_filter in range(1, 5):
        yield f"filter_{line_filter}", png(colours, 8, RGB, line_filter=line_filter), "read"
    yield "many_pieces", png(colours, 8, RGB, pieces=700), "read"
    # 12 and 14 bits in 16.
    wide = grey.astype(int) * 257
    yield "12_bits", png(wide >> 4, 16, GREY), "refused"
    yield "12_bits_rgb", png((colours.astype(int) * 257) >> 4, 16, RGB), "refused"
    yield "12_bits_stated", png(wide >> 4, 16, GREY, before=chunk(b"sBIT", b"\x0c")), "refused"
    yield "12_bits_on_top", png(wide & ~15, 16, GREY, before=chunk(b"sBIT", b"\x0c")), "read"
    yield "14_bits_stated", png(wide >> 2, 16, GREY, before=chunk(b"sBIT", b"\x0e")), "refused"
    yield "14_bits_on_top", png(wide & ~3, 16, GREY, before=chunk(b"sBIT", b"\x0e")), "read"
    yield "16_bits_all_black", png(wide * 0, 16, GREY), "read"
    yield "8_bits_stated_in_16", png(wide, 16, GREY, before=chunk(b"sBIT", b"\x08")), "read"
    # Orientations.
    for value in LYING:
        yield f"orientation_{value}", lying(colours, value, "PNG"), "read"
        late = chunk(b"eXIf", exif(value))
        yield f"orientation_{value}_late", png(colours, 8, RGB, after=late), "read"
    clear_photo = np.dstack([colours, clear])
    for name, content in [
        ("long", exif(6, kind=4)),
        ("little_endian", exif(8, order="<")),
        ("headed", b"Exif\0\0" + exif(6)),
        ("of_9", exif(9)),
        ("cut_off", exif(6)[:11]),
        ("of_nothing", b""),
        ("of_noise", b"MM\0*\xff\xff\xff\xff"),
    ]:
        data = png(clear_photo, 8, RGB_ALPHA, before=chunk(b"eXIf", content))
        yield f"orientation_{name}", data, "read"
    # Other chunks.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "profile", encoded(Image.fromarray(colours), "PNG", icc_profile=profile), "read"
    yield "grey_profile", encoded(Image.fromarray(grey), "PNG", icc_profile=b"noise"), "read"
    yield "gamma", png(colours, 8, RGB, before=chunk(b"gAMA", struct.pack(">I", 100_000))), "read"
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0<a tiff:Orientation='6' tiff:Orientation=\"6\"/>"
    yield "xmp_orientation", png(colours, 8, RGB, before=chunk(b"iTXt", xmp)), "read"
    raw = b"Raw profile type exif\0\nexif\n      26\n" + exif(6).hex().encode()
    yield "orientation_as_text", png(colours, 8, RGB, before=chunk(b"tEXt", raw)), "read"
    yield "text", png(colours, 8, RGB, before=chunk(b"tEXt", b"a\0" + b"b" * 9999)), "read"
    yield "unknown_chunk", png(colours, 8, RGB, before=chunk(b"abCd", b"?" * 99)), "read"
    frames = [Image.fromarray(colours[::-1]), Image.fromarray(colours[:, ::-1])]
    yield "animated", encoded(colours, "PNG", save_all=True, append_images=frames), "read"
    yield "garbage_at_the_end", png(colours, 8, RGB) + b"?" * 99, "read"


def _broken_pngs() -> Iterator[Named]:
    colours = photo()
    whole = png(colours, 8, RGB)
    for share in (0, 8, 20, 33, 40, 60, 90, 99):
        yield f"cut_at_{share}", whole[: len(whole) * share // 100], "refused"
    yield "without_an_end", whole[:-12], "refused"
    yield "cut_in_its_end", whole[:-4], "refused"
    yield "pixels_checksum", damaged(whole, len(whole) - 12 - 4), "refused"
    yield "header_checksum", damaged(whole, 29), "refused"
    yield "pixels", damaged(whole, len(whole) // 2), "refused"
    yield "no_pixels", whole[:33] + chunk(b"IEND", b""), "refused"
    bad = bytearray(chunk(b"tEXt", b"a\0b"))
    bad[-1] ^= 1
    yield "texts_checksum", png(colours, 8, RGB, before=bytes(bad)), "either"
    for name, field, value in [
        ("depth_of_3", 24, 3),
        ("rgb_of_4_bits", 24, 4),
        ("colour_type_of_5", 25, 5),
        ("compression_of_1", 26, 1),
        ("interlacing_of_2", 28, 2),
    ]:
        data = bytearray(whole)
        data[field] = value
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        yield name, bytes(data), "refused"
    yield "no_palette", png(colours[..., 0] % 4, 8, PALETTE), "refused"
    few = chunk(b"PLTE", colours.reshape(-1, 3)[:3].tobytes())
    yield "beyond_the_palette", png(colours[..., 0] % 9, 8, PALETTE, before=few), "either"
    empty = b"".join(chunk(b"IDAT", b"") for _ in range(3000))
    yield "empty_pieces", png(colours, 8, RGB, before=empty), "either"
    for width, height in [(0, 5), (5, 0), (50_000, 50_000), (2**31 - 1, 2**31 - 1), (100_000, 1)]:
        yield f"of_{width}x{height}", png_of_size(width, height), "refused"


def _jpegs() -> Iterator[Named]:
    colours = photo()
    picture = Image.fromarray(colours)
    plain = encoded(picture, "JPEG", quality=90)
    for name, options in [
        ("plain", {}),
        ("poor", {"quality": 5}),
        ("444", {"subsampling": 0}),
        ("422", {"subsampling": 1}),
        ("progressive", {"progressive": True}),
        ("optimized", {"optimize": True}),
        ("restarts", {"restart_marker_blocks": 1}),
        ("rgb", {"keep_rgb": True}),
        ("profile", {"icc_profile": b"noise"}),
    ]:
        yield name, encoded(picture, "JPEG", **options), "read"
    yield "grey", encoded(picture.convert("L"), "JPEG"), "read"
    yield "grey_progressive", encoded(picture.convert("L"), "JPEG", progressive=True), "read"
    cmyk = encoded(picture.convert("CMYK"), "JPEG")
    yield "cmyk", cmyk, "read"
    yield "cmyk_progressive", encoded(picture.convert("CMYK"), "JPEG", progressive=True), "read"
    yield "cmyk_without_adobe", without_segment(cmyk, 0xEE), "refused"
    for value in LYING:
        yield f"orientation_{value}", lying(colours, value, "JPEG", quality=90), "read"
    turn = segment(0xE1, b"Exif\0\0" + exif(6))
    filler = segment(0xE2, b"?" * 60_000)
    yield "orientation_behind_60_kB", with_segment(plain, filler, turn), "read"
    yield "orientation_behind_fillers", with_segment(plain, b"\xff\xff\xff" + turn[1:]), "read"
    xmp = segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<a tiff:Orientation="6"/>')
    yield "xmp_orientation", with_segment(plain, xmp), "read"
    yield "xmp_before_orientation", with_segment(plain, xmp, turn), "read"
    broken = segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")
    yield "orientation_of_noise", with_segment(plain, broken), "read"
    yield "orientation_of_0", with_segment(plain, segment(0xE1, b"Exif\0\0" + exif(0))), "read"
    yield "comment", with_segment(plain, segment(0xFE, b"Exif\0\0 not")), "read"
    for share in (0, 1, 30, 60, 90):
        yield f"cut_at_{share}", plain[: len(plain) * share // 100], "refused"
    yield "without_an_end", plain[:-2], "either"
    yield "garbage_at_the_end", plain + b"?" * 99, "read"
    frame = plain.index(b"\xff\xc0")
    yield "of_12_bits", plain[: frame + 4] + b"\x0c" + plain[frame + 5 :], "refused"
    yield "arithmetic", plain[: frame + 1] + b"\xc9" + plain[frame + 2 :], "either"
    yield "lossless", plain[: frame + 1] + b"\xc3" + plain[frame + 2 :], "refused"
    yield "no_tables", without_segment(plain, 0xDB), "refused"
    for width, height in [(0, 9), (9, 0), (65_000, 65_000)]:
        yield f"of_{width}x{height}", jpeg_of_size(width, height), "refused"
    frames = [Image.fromarray(colours[::-1])]
    yield "mpo", encoded(picture, "MPO", save_all=True, append_images=frames), "read"


def _others() -> Iterator[Named]:
    colours, clear = photo(), alpha()
    grey = colours[..., 0]
    picture, see_through = Image.fromarray(colours), Image.fromarray(np.dstack([colours, clear]))
    moving = {"save_all": True, "append_images": [Image.fromarray(colours[::-1])]}
    few = picture.quantize(16)
    wide = grey.astype(np.uint16) * 257
    for name, image, options in [
        ("webp_lossy", picture, {}),
        ("webp_lossless", picture, {"lossless": True}),
        ("webp_alpha", see_through, {"lossless": True, "exact": True}),
        ("webp_animated", picture, {"lossless": True, **moving}),
        ("gif", picture, {}),
        ("gif_clear", few, {"transparency": 3}),
        ("gif_animated", picture, moving),
        ("gif_grey", picture.convert("L"), {}),
        ("bmp", picture, {}),
        ("bmp_1", picture.convert("1"), {}),
        ("bmp_grey", picture.convert("L"), {}),
        ("bmp_palette", few, {}),
        ("bmp_rgba", see_through, {}),
        ("tiff", picture, {}),
        ("tiff_1", picture.convert("1"), {}),
        ("tiff_grey", picture.convert("L"), {}),
        ("tiff_16", Image.fromarray(wide), {}),
        ("tiff_palette", few, {}),
        ("tiff_la", see_through.convert("LA"), {}),
        ("tiff_rgba", see_through, {}),
        ("tiff_cmyk", picture.convert("CMYK"), {}),
        ("tiff_ycbcr", picture.convert("YCbCr"), {}),
        ("tiff_lzw", picture, {"compression": "tiff_lzw"}),
        ("tiff_deflate", picture, {"compression": "tiff_adobe_deflate"}),
        ("tiff_jpeg", picture, {"compression": "jpeg"}),
        ("tiff_group4", picture.convert("1"), {"compression": "group4"}),
        ("tiff_pages", picture, moving),
        ("ico", see_through, {"sizes": [(16, 11)]}),
        ("ppm", picture, {}),
        ("ppm_1", picture.convert("1"), {}),
        ("ppm_grey", picture.convert("L"), {}),
        ("tga", see_through, {}),
        ("pcx", picture, {}),
        ("jpeg2000", picture, {}),
        ("avif", picture, {"quality": 100}),
        ("sgi", picture, {}),
    ]:
        kind = {"ico": "ICO", "tga": "TGA", "jpeg2000": "JPEG2000"}.get(name)
        yield name, encoded(image, kind or name.partition("_")[0].upper(), **options), "read"
    for kind, options in [("WEBP", {"lossless": True}), ("TIFF", {})]:
        for value in LYING:
            data = lying(colours, value, kind, **options)
            yield f"{kind.lower()}_orientation_{value}", data, "read"
    yield "tiff_white_is_0", tiff(255 - grey, 8, 0), "read"
    yield "tiff_16_white_is_0", tiff(65535 - wide.astype(int), 16, 0), "read"
    yield "tiff_rgb_16", tiff(colours.astype(int) * 257, 16, 2), "read"
    yield "tiff_12_bits_in_16", tiff(wide >> 4, 16, 1), "refused"
    yield "tiff_float", encoded(Image.fromarray(grey / np.float32(255)), "TIFF"), "refused"
    yield "tiff_32", encoded(Image.fromarray(grey.astype(np.int32)), "TIFF"), "refused"
    yield "pfm", b"Pf\n30 21\n-1.0\n" + (grey / np.float32(255)).tobytes(), "refused"
    size = f"{WIDTH} {HEIGHT}\n".encode()
    yield "pgm_16", b"P5\n" + size + b"65535\n" + wide.astype(">u2").tobytes(), "read"
    yield "pgm_12", b"P5\n" + size + b"4095\n" + (wide >> 4).astype(">u2").tobytes(), "read"
    plain = b" ".join(str(value).encode() for value in colours.ravel())
    yield "ppm_plain", b"P3\n" + size + b"255\n" + plain, "read"
    for name, data in [
        ("webp", encoded(picture, "WEBP")),
        ("gif", encoded(picture, "GIF")),
        ("bmp", encoded(picture, "BMP")),
        ("tiff", encoded(picture, "TIFF")),
        ("ppm", encoded(picture, "PPM")),
    ]:
        yield f"{name}_cut", data[: len(data) // 2], "refused"
    moving_gif = encoded(picture, "GIF", **moving)
    yield "gif_cut_in_its_second_frame", moving_gif[: moving_gif.rindex(b"!\xf9") + 12], "refused"
    for name, data in [
        ("nothing", b""),
        ("text", b"not a picture, whatever its name says"),
        ("html", b"<!doctype html><title>404</title>"),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("pdf", b"%PDF-1.7\n"),
        ("zip", b"PK\x03\x04" + bytes(30)),
        ("json", b"\xef\xbb\xbf{}"),
        ("resource_fork", b"\0\x05\x16\x07" + bytes(60)),
        ("lfs_pointer", b"version https://git-lfs.github.com/spec/v1\n"),
        ("zeros", bytes(999)),
    ]:
        yield name, data, "refused"
    big = (
        b"BM"
        + struct.pack("<IHHI", 99, 0, 0, 54)
        + struct.pack("<IiiHHI", 40, 60000, 60000, 1, 24, 0)
    )
    yield "bmp_of_60000x60000", big + bytes(40), "refused"


def _sizes() -> Iterator[Named]:
    for kind, channels in CHANNELS.items():
        if kind != PALETTE:
            yield f"1x1_png_{kind}", png(np.full([1, 1, channels], 200), 8, kind), "read"
    yield "1x1_jpeg", encoded(np.full([1, 1, 3], 200, np.uint8), "JPEG"), "read"
    yield "1x1_gif", encoded(np.full([1, 1, 3], 200, np.uint8), "GIF"), "read"
    for height, width in [(1, 2), (2, 1), (1, 4096), (4096, 1), (3, 1000), (257, 255)]:
        yield f"{width}x{height}_png", encoded(photo(height, width), "PNG"), "read"
        yield f"{width}x{height}_jpeg", encoded(photo(height, width), "JPEG"), "read"
    for height, width in [(1, 20_000), (3, 20_000), (20_000, 1)]:
        yield f"{width}x{height}_png", encoded(photo(height, width), "PNG"), "either"
        yield f"{width}x{height}_jpeg", encoded(photo(height, width), "JPEG"), "either"


def interesting(named: Named) -> bool:
    """A fast subset: one of most kinds."""
    name, _, _ = named
    return zlib.crc32(name.encode()) % 6 == 0 or "clear_colour" in name or "12_bits" in name


def opened(data: bytes) -> np.ndarray:
    """A PNG that a way gave, laid on white: int [H, W, 3]."""
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    pixels = np.asarray(image).astype(float)
    share = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(int)
