"""What a file of a generated picture says of itself: XMP, written and read.

The properties are IPTC's (Photo Metadata Standard 2025.1): the digital source type, the AI system
and its version. A PNG holds XMP in an iTXt chunk (XMP Specification, part 3, section 1.1.5), which
stands behind the header, and leaves the pixels as they are. No TensorFlow is needed.
"""

import dataclasses
import os
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any
from xml.etree import ElementTree
from xml.sax import saxutils

import zoo
from zoo.pictures import PictureError

TOOL = "gan-zoo"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# Drawn by a model; made by a model of a picture that it was given.
GENERATED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# Bytes of a PNG before its first chunk after the header.
PNG_HEADER = 33
# The most bytes of XMP that are read.
MAX_XMP = 2**20

_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
# Those of `Found`.
_PROPERTIES = {
    "source_type": f"{{{_IPTC}}}DigitalSourceType",
    "model": f"{{{_IPTC}}}AISystemUsed",
    "version": f"{{{_IPTC}}}AISystemVersionUsed",
    "tool": f"{{{_XMP}}}CreatorTool",
}
_KEYWORD = b"XML:com.adobe.xmp"
_C2PA_CHUNK = b"caBX"
# The start of a C2PA manifest store, in every format: a box of JUMBF and its type.
_C2PA_BOX = b"jumdc2pa"
_FORMATS = ("JPEG", "WEBP", "TIFF")
# By Pillow's format. Its MPO is a JPEG with more pictures behind the first, as phones write it.
_MIME = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
}
_BLOCK = 2**20


@dataclasses.dataclass(frozen=True)
class Mark:
    """Who made a picture.

    Attributes:
        model: Name of the model.
        version: Which version of it, such as the first digits of its weights' sha256.
        composite: Whether it was made of a picture, not drawn from noise.
    """

    model: str
    version: str
    composite: bool = False

    @property
    def source_type(self) -> str:
        """IPTC's digital source type, an address."""
        return SOURCE_TYPES + (COMPOSITE if self.composite else GENERATED)

    def xmp(self) -> bytes:
        """An XMP packet."""
        model, version = printable(self.model), printable(self.version)
        properties = {
            "xmp:CreatorTool": f"{TOOL} {zoo.__version__}, {model}, {version}",
            "Iptc4xmpExt:DigitalSourceType": self.source_type,
            "Iptc4xmpExt:AISystemUsed": model,
            "Iptc4xmpExt:AISystemVersionUsed": version,
        }
        listed = " ".join(f"{key}={saxutils.quoteattr(text)}" for key, text in properties.items())
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
            f'<rdf:Description rdf:about="" xmlns:xmp="{_XMP}" xmlns:Iptc4xmpExt="{_IPTC}" '
            f'{listed}/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
        ).encode()

    def chunk(self) -> bytes:
        """The packet as a chunk of a PNG, with its length and checksum."""
        # Keyword; not compressed, no language, no translated keyword; text.
        content = b"iTXt" + _KEYWORD + b"\0" + b"\0\0\0\0" + self.xmp()
        length, checksum = len(content) - 4, zlib.crc32(content)
        return struct.pack(">I", length) + content + struct.pack(">I", checksum)

    def to_png(self, png: bytes) -> bytes:
        """A PNG with the mark behind its header."""
        return png[:PNG_HEADER] + self.chunk() + png[PNG_HEADER:]

    def for_pillow(self) -> dict[str, Any]:
        """Arguments of `PIL.Image.Image.save`, for a PNG, a JPEG or a WebP."""
        from PIL.PngImagePlugin import PngInfo

        chunks = PngInfo()
        chunks.add_itxt(_KEYWORD.decode(), self.xmp().decode())
        return {"pnginfo": chunks, "xmp": self.xmp()}


@dataclasses.dataclass(frozen=True)
class Found:
    """What a file says of itself.

    Attributes:
        mime: Type of the file.
        source_type: The last part of IPTC's digital source type; empty if there is none.
        model: The AI system.
        version: Of the model.
        tool: What wrote the file.
        has_manifest: Whether it holds a C2PA manifest.
    """

    mime: str
    source_type: str = ""
    model: str = ""
    version: str = ""
    tool: str = ""
    has_manifest: bool = False


def read(path: str | os.PathLike[str]) -> Found:
    """Reads the mark of a PNG, a JPEG, a WebP or a TIFF; pixels are not decoded.

    Raises:
        PictureError: No such file, a damaged or truncated one, or XMP that cannot be read.
    """
    try:
        with open(path, "rb") as file:
            magic = file.read(len(PNG_MAGIC))
            mime, xmp, has_manifest = _of_png(file) if magic == PNG_MAGIC else _of_other(file)
    except OSError as error:
        reason = error.strerror or "a file that cannot be read"
        raise PictureError(f"A picture must be a file. Received: {reason}.") from None
    return Found(mime, has_manifest=has_manifest, **({} if xmp is None else _properties(xmp)))


def printable(text: str, most: int = 100) -> str:
    """Text of unknown origin, in one line without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _of_png(file: IO[bytes]) -> tuple[str, bytes | None, bool]:
    """Type, XMP and whether there is a manifest; the magic number has been read."""
    xmp, has_manifest, name = None, False, b""
    while name != b"IEND":
        head = file.read(8)
        if len(head) < 8:
            raise PictureError("A picture must be a whole file. Received: a truncated PNG.")
        length, name = struct.unpack(">I4s", head)
        has_manifest |= name == _C2PA_CHUNK
        if name != b"iTXt" or length > MAX_XMP:
            file.seek(length + 4, os.SEEK_CUR)
            continue
        content, checksum = file.read(length), file.read(4)
        if len(checksum) == 4 and checksum != struct.pack(">I", zlib.crc32(name + content)):
            raise PictureError("A picture must be a whole file. Received: a damaged PNG.")
        if content.startswith(_KEYWORD + b"\0"):
            xmp = _text(content[len(_KEYWORD) + 1 :])
    return "image/png", xmp, has_manifest


def _text(content: bytes) -> bytes:
    """The text of an iTXt chunk, from its compression flag on."""
    fields = content[2:].split(b"\0", 2)
    if len(fields) < 3 or not content.startswith((b"\0", b"\1")):
        raise PictureError("XMP must be a text of PNG. Received: a damaged chunk.")
    if content[0] == 0:
        return fields[2]
    try:
        return zlib.decompressobj().decompress(fields[2], MAX_XMP)
    except zlib.error as error:
        raise PictureError(f"XMP must be compressed by zlib. Received: {error}.") from None


def _of_other(file: IO[bytes]) -> tuple[str, bytes | None, bool]:
    """As `_of_png`, of a file that Pillow knows."""
    from PIL import Image

    file.seek(0)
    try:
        with Image.open(file, formats=_FORMATS) as image:
            kind, xmp = image.format, image.info.get("xmp")
    except Exception:  # Pillow's errors share no base class
        raise PictureError(
            "A picture must be a PNG, a JPEG, a WebP or a TIFF. Received: a file of another kind, "
            "or a damaged one."
        ) from None
    return _MIME[str(kind)], xmp or None, any(_C2PA_BOX in block for block in _blocks(file))


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """A file in overlapping blocks."""
    file.seek(0)
    end = b""
    while block := file.read(_BLOCK):
        yield end + block
        end = block[1 - len(_C2PA_BOX) :]


def _properties(xmp: bytes) -> dict[str, str]:
    """The properties of a packet, by the names of `Found`."""
    if len(xmp) > MAX_XMP:
        raise PictureError(f"XMP must have at most {MAX_XMP:,} bytes. Received: {len(xmp):,}.")
    try:
        text = xmp.decode("utf-8-sig").strip("\0 \n")
        if "<!DOCTYPE" in text:  # where entities are declared
            raise ValueError("a document type")
        root = ElementTree.fromstring(text)
    except (ValueError, ElementTree.ParseError) as error:
        raise PictureError(f"XMP must be RDF in XML. Received: {error}.") from None
    found = {name: printable(_value(root, key)) for name, key in _PROPERTIES.items()}
    return {**found, "source_type": found["source_type"].rpartition("/")[2]}


def _value(root: ElementTree.Element, key: str) -> str:
    """A property: an attribute, or an element with a text or an address."""
    for element in root.iter():
        if key in element.attrib:
            return element.attrib[key]
        if element.tag == key:
            return (element.text or "").strip() or element.get(f"{{{_RDF}}}resource", "")
    return ""
