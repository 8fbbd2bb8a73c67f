"""What picture files say of their origin, in a line each: python -m zoo verify FILE..."""

import os

from zoo.core.spelling import escaped
from zoo.core.storage import expanded
from zoo.pictures import PictureError, credentials, folders, marks

# IPTC's source types of what a model made, and the words for them.
_MADE = {
    marks.GENERATED: "generated",
    marks.COMPOSITE: "made from a picture",
    "compositeSynthetic": "partly generated",
    "algorithmicallyEnhanced": "enhanced",
}


def describe(path: str | os.PathLike[str]) -> tuple[str, bool]:
    """A file's line, and whether it is marked as made by a model, with no invalid signature."""
    path = expanded(path)
    name = escaped(folders.shown(path))
    if not os.path.exists(path):
        return f"{name} does not exist.", False
    try:
        text, fine = _described(path)
    except PictureError as error:
        text, fine = f"unreadable. {error}", False
    return f"{name}: {text}", fine


def _described(path: str | os.PathLike[str]) -> tuple[str, bool]:
    found = marks.read(path)
    signed, fine = "not signed", True
    source_type, model = found.source_type, found.model
    if model and found.version:
        model += f", {found.version}"
    if found.has_manifest:
        try:
            signature = credentials.check(path, found.mime)
        except ImportError:
            signed = f"signature not checked: {credentials.INSTALL}"
        else:
            fine = signature.valid
            trust = "" if signature.trusted else " (not on a trust list)"
            signed = (
                f"signature valid, by {signature.signer}{trust}"
                if fine
                else f"signature INVALID: {signature.problem}"
            )
            source_type = source_type or signature.source_type
            model = model or signature.model
    if not source_type:
        return f"no mark; {signed}", False
    if source_type not in _MADE:
        return f"marked as {source_type}, not as generated; {signed}", False
    tool = found.tool.partition(",")[0]
    if model and tool:
        model = f"{model} ({tool})"
    return f"{_MADE[source_type]} by {model or tool or 'an unnamed model'}; {signed}", fine
