"""Marks of pictures as others read them: Pillow, and an XML parser."""

import io
from xml.etree import ElementTree

from PIL import Image

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def properties(data: bytes) -> dict[str, str]:
    """The attributes of a file's XMP, by their names without namespaces."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        root = ElementTree.fromstring(image.info["xmp"].decode())
    (description,) = root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    return {key.rpartition("}")[2]: value for key, value in description.attrib.items()}
