"""Signed marks: C2PA manifests, written with a key of the user's and checked.

A manifest states who made a picture, and is bound to the file: a change of its pixels or metadata
makes it invalid. It needs the package c2pa-python. Nothing is fetched from a network.
"""

import dataclasses
import io
import json
import os
import pathlib
from typing import IO, Any

from PIL import Image

import zoo
from zoo.core.storage import expanded, whole_file
from zoo.pictures import PictureError, marks
from zoo.pictures.marks import Mark

INSTALL = "install c2pa-python, from a clone with: pip install '.[c2pa]'"
_RULE = "A signature needs a certificate and its private key, in PEM files."
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},  # it would take 70 of 73 KB
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
# C2PA's names of the algorithms, for an elliptic curve of so many bits.
_ES = {256: "es256", 384: "es384", 521: "es512"}


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a manifest says.

    Attributes:
        valid: Whether the file is as it was when it was signed.
        trusted: Whether the certificate was issued by one that the reader trusts.
        signer: The certificate's name.
        source_type: As `marks.Found`'s.
        model: What made the picture, and its version.
        problem: Why it is not valid.
    """

    valid: bool
    trusted: bool
    signer: str
    source_type: str
    model: str
    problem: str


class Signer:
    """Signs picture files.

    Args:
        certificate: PEM file of the certificate, followed by those that issued it.
        key: PEM file of its private key, without a password: an elliptic curve, RSA or Ed25519.

    Raises:
        ImportError: c2pa-python is missing.
        ValueError: Files that cannot sign.
    """

    def __init__(self, certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> None:
        self._c2pa, self._context = _library()
        # c2pa-python depends on it.
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519

        names = f"{os.fspath(certificate)} and {os.fspath(key)}"
        try:
            chain, pem = (expanded(path).read_bytes() for path in (certificate, key))
            private = serialization.load_pem_private_key(pem, password=None)
        except (OSError, ValueError, TypeError) as error:
            reason = getattr(error, "strerror", None) or "no PEM without a password"
            raise ValueError(f"{_RULE} Received: {names}: {reason}.") from None
        if isinstance(private, ec.EllipticCurvePrivateKey):
            algorithm = _ES.get(private.key_size, "es256")
        else:
            algorithm = "ed25519" if isinstance(private, ed25519.Ed25519PrivateKey) else "ps256"
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._info = self._c2pa.C2paSignerInfo(algorithm, chain, pem, None)
        small = io.BytesIO()
        Image.new("L", (1, 1)).save(small, "PNG")
        try:
            self._sign("image/png", small, io.BytesIO(), Mark("a test", "0"))
        except self._c2pa.C2paError as error:
            reason = marks.printable(str(error))
            raise ValueError(f"{_RULE} Received: {names}: {reason}.") from None

    def sign(self, path: pathlib.Path, mark: Mark) -> None:
        """Signs a PNG or a JPEG in place."""
        mime = marks.read(path).mime
        with whole_file(path) as fresh, open(path, "rb") as source, open(fresh, "w+b") as target:
            self._sign(mime, source, target, mark)

    def _sign(self, mime: str, source: IO[bytes], target: IO[bytes], mark: Mark) -> None:
        made = {
            "action": "c2pa.created",
            "digitalSourceType": mark.source_type,
            "softwareAgent": {"name": mark.model, "version": mark.version},
        }
        manifest = {
            "claim_generator_info": [{"name": marks.TOOL, "version": zoo.__version__}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}],
        }
        source.seek(0)
        with (
            self._c2pa.Signer.from_info(self._info) as signer,
            self._c2pa.Builder(manifest, context=self._context) as builder,
        ):
            builder.sign(signer, mime, source, target)


def check(path: str | os.PathLike[str], mime: str) -> Signature:
    """Reads and validates the manifest of a file, of a type that `marks.read` gave.

    Raises:
        ImportError: c2pa-python is missing.
        PictureError: A manifest that cannot be read.
    """
    c2pa, context = _library()
    try:
        with open(path, "rb") as file, c2pa.Reader(mime, file, context=context) as reader:
            return _summary(json.loads(reader.json()))
    except (c2pa.C2paError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = marks.printable(str(error)) or "nothing"
        raise PictureError(f"A C2PA manifest must be readable. Received: {reason}.") from None


def _summary(store: dict[str, Any]) -> Signature:
    manifest = store["manifests"][store["active_manifest"]]
    state = store.get("validation_state")
    failures = [
        status["code"]
        for status in store.get("validation_status", ())
        if status["code"] != "signingCredential.untrusted"
    ]
    actions = [
        action
        for assertion in manifest.get("assertions", ())
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"]["actions"]
        if "digitalSourceType" in action
    ]
    made = actions[0] if actions else {}
    agent = made.get("softwareAgent") or {}
    named = [agent.get("name"), agent.get("version")] if isinstance(agent, dict) else [agent]
    names = manifest.get("signature_info") or {}
    return Signature(
        valid=state in ("Valid", "Trusted"),
        trusted=state == "Trusted",
        signer=marks.printable(str(names.get("common_name") or names.get("issuer") or "unknown")),
        source_type=marks.printable(str(made.get("digitalSourceType", ""))).rpartition("/")[2],
        model=marks.printable(", ".join(str(name) for name in named if name)),
        problem=marks.printable(", ".join(failures) or str(state)),
    )


def _library() -> tuple[Any, Any]:
    """The module c2pa, and the settings that it works with.

    Raises:
        ImportError: It is missing.
    """
    try:
        import c2pa
    except ImportError:
        raise ImportError(f"A C2PA manifest needs a package: {INSTALL}") from None
    return c2pa, c2pa.Context(c2pa.Settings.from_dict(_SETTINGS))
