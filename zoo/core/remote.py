"""Presets at an address, fetched into a cache that processes share.

    hf://user/repo[@revision]         a repository of Hugging Face's hub; a branch, tag or commit
    https://host/path#sha256=...      a folder on a web server; the sha256 is that of its card.json
    gs://bucket/path                  any folder that tf.io.gfile reads

`card.json` has the sha256 of the other files, so the one of the card covers all of them. The cache
keeps a preset in a folder that is named by it: what is there never changes. Each file grows as
`FILE.part`, from where an earlier try ended, and is renamed once its sha256 is right. One process
fetches a preset, others wait for it.

With HF_HUB_OFFLINE=1 nothing is asked of a network. GAN_ZOO_CACHE is the cache's folder, by default
~/.cache/gan_zoo.
"""

import contextlib
import dataclasses
import errno
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from zoo.core import cards, storage
from zoo.core.presets import CARD_FILE, CONFIG_FILE, PresetError

WEIGHTS_BYTES = 64 << 30
CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0

HUB = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?/?")
WEB = re.compile(r"(https?://[^#\s]+?)/?#sha256=([0-9a-f]{64})")


class _Unreachable(Exception):
    """No network, a server that is down or a connection that broke: a later try may succeed."""


@dataclasses.dataclass(frozen=True)
class _Stream:
    """A file that is being read.

    Attributes:
        chunks: Its bytes; raises `_Unreachable`.
        offset: Where they begin: a server may send all, whatever it was asked for.
        size: Of the whole file, if it is known.
    """

    chunks: Iterator[bytes]
    offset: int
    size: int | None


Open = Callable[[str, int], contextlib.AbstractContextManager[_Stream]]


def check(address: str) -> None:
    """Raises PresetError for an address of a wrong form; asks no network."""
    if address.startswith("hf://") and not HUB.fullmatch(address):
        raise PresetError(
            f"The hub's addresses are hf://user/repo or hf://user/repo@revision. "
            f"Received: {address}."
        )
    if address.startswith(("http://", "https://")) and not WEB.fullmatch(address):
        raise PresetError(
            "A preset on a web server must be given with the sha256 of its card.json, as "
            f"https://host/path#sha256=(64 hex digits). Received: {address}."
        )


def short_name(address: str) -> str:
    """The last part of an address, for the names of files."""
    plain = address.partition("#")[0].partition("?")[0].rstrip("/").rpartition("/")[2]
    return plain.partition("@")[0] if address.startswith("hf://") else plain


def fetch(address: str) -> pathlib.Path:
    """Fetches a preset, as far as it is not in the cache; returns its folder.

    Raises:
        PresetError: A file that is not there, cannot be fetched, or has another sha256.
    """
    check(address)
    cache = storage.expanded(os.environ.get("GAN_ZOO_CACHE") or "~/.cache/gan_zoo")
    try:
        with reached(address):
            web = WEB.fullmatch(address)
            if web:
                return _complete(address, _of_web(web[1]), web[2], cache)
            source = _of_hub(address) if HUB.fullmatch(address) else _of_gfile(address)
            return _newest(address, source, cache)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise PresetError(
            f"{address} could not be kept in {cache}: "
            f"{'the disk is full' if full else error.strerror or error}. "
            "Set GAN_ZOO_CACHE to another folder."
        ) from None


@contextlib.contextmanager
def reached(address: str) -> Iterator[None]:
    """Raises PresetError where an address cannot be reached."""
    try:
        yield
    except _Unreachable as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise PresetError(
            f"{address} could not be reached: {reason}. "
            "Check the network and try again: what has arrived is kept."
        ) from None


def _offline() -> bool:
    """As the hub's client reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _newest(address: str, source: Open, cache: pathlib.Path) -> pathlib.Path:
    """What an address holds now; what it held, where it cannot be reached."""
    known = cache / f"{hashlib.sha256(address.rstrip('/').encode()).hexdigest()[:16]}.json"
    try:
        with source(CARD_FILE, 0) as stream:
            card = b"".join(_limited(stream.chunks, CARD_FILE, cards.JSON_BYTES))
    except _Unreachable as error:
        if not known.is_file():
            raise
        if not _offline():
            warnings.warn(f"{address} is loaded from the cache: {error}.", stacklevel=2)
        return _complete(address, source, json.loads(known.read_text())["card"], cache)
    digest = hashlib.sha256(card).hexdigest()
    folder = _complete(address, source, digest, cache, card)
    with contextlib.suppress(OSError):  # of a cache that is read-only
        storage.write_json(known, {"address": address, "card": digest})
    return folder


def _complete(
    address: str, source: Open, digest: str, cache: pathlib.Path, card: bytes | None = None
) -> pathlib.Path:
    """The cache's folder of a preset, with all files.

    Args:
        digest: sha256 of the card.
        card: Its content, if it is known.
    """
    folder = cache / digest
    if _is_whole(folder / CARD_FILE, digest):
        hashes = _hashes(folder / CARD_FILE, address)
        if all(_is_whole(folder / file, value) for file, value in hashes.items()):
            return folder
    with _locked(folder):
        if card is not None and not _is_whole(folder / CARD_FILE, digest):
            _part(folder / CARD_FILE).write_bytes(card)
        _fetch_file(source, folder / CARD_FILE, digest, address)
        for file, value in _hashes(folder / CARD_FILE, address).items():
            _fetch_file(source, folder / file, value, address)
    return folder


def _hashes(card: pathlib.Path, address: str) -> dict[str, str]:
    """sha256 of the files that a preset needs besides its card."""
    path = f"{CARD_FILE} of {address}"
    hashes, weights = cards.hashes_of(cards.read_json(card), path)
    if CONFIG_FILE not in hashes:
        raise PresetError(f"{path} must give the sha256 of {CONFIG_FILE}.")
    return {file: str(hashes[file]) for file in (CONFIG_FILE, weights)}


def _is_whole(path: pathlib.Path, digest: str) -> bool:
    return path.is_file() and storage.sha256(path) == digest


def _part(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.name}.part")


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    import fcntl  # not on Windows

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_file(source: Open, path: pathlib.Path, digest: str, address: str) -> None:
    if _is_whole(path, digest):
        return
    part = _part(path)
    if not _is_whole(part, digest):  # it is if a process ended just before the renaming
        _append_all(source, path.name, part)
    received = storage.sha256(part)
    if received != digest:
        part.unlink()
        raise PresetError(
            f"The sha256 of {path.name} of {address} must be {digest}. Received: {received}. "
            "The file is damaged, or was replaced."
        )
    part.replace(path)


def _append_all(source: Open, file: str, part: pathlib.Path) -> None:
    """Appends what is missing. Tries again as long as each try brings some of it."""
    while True:
        before = _size(part)
        try:
            return _append(source, file, part, before)
        except _Unreachable:
            if _size(part) <= before:
                raise


def _append(source: Open, file: str, part: pathlib.Path, offset: int) -> None:
    from zoo.core.progress import with_progress

    most = cards.JSON_BYTES if file.endswith(".json") else WEIGHTS_BYTES
    with source(file, offset) as stream, open(part, "ab") as out:
        if stream.offset != offset:
            out.truncate(stream.offset)
        left = None if stream.size is None else stream.size - stream.offset
        if left is not None and stream.size is not None:
            _check_size(file, stream.size, most)
            if shutil.disk_usage(part.parent).free < left:
                raise OSError(errno.ENOSPC, "the disk is full")
        chunks = _limited(stream.chunks, file, most - stream.offset)
        for chunk in with_progress(chunks, left, f"{file}, bytes", len):
            out.write(chunk)
    size = _size(part)
    if stream.size is not None and size < stream.size:
        raise _Unreachable(f"the connection broke after {size:,} of {stream.size:,} bytes")


def _limited(chunks: Iterator[bytes], file: str, most: int) -> Iterator[bytes]:
    for chunk in chunks:
        most -= len(chunk)
        _check_size(file, -most, 0)
        yield chunk


def _check_size(file: str, size: int, most: int) -> None:
    if size > most:
        raise PresetError(f"{file} of a preset is too large: by {size - most:,} bytes or more.")


# ---- web servers


def _of_web(folder: str) -> Open:
    parts = urllib.parse.urlsplit(folder)

    def source(file: str, offset: int) -> contextlib.AbstractContextManager[_Stream]:
        if _offline():
            raise _Unreachable("HF_HUB_OFFLINE is set, and it is not in the cache")
        url = parts._replace(path=f"{parts.path.rstrip('/')}/{file}").geturl()
        return _open_url(url, {}, offset)

    return source


@contextlib.contextmanager
def _open_url(url: str, headers: Mapping[str, str], offset: int) -> Iterator[_Stream]:
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    for name, value in headers.items():
        request.add_unredirected_header(name, value)  # a token is for the first host alone
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and offset:  # there is no more, or less than there was
            with _open_url(url, headers, 0) as stream:
                yield stream
            return
        reason = f"{_without_query(url)} answers HTTP {error.code} {error.reason}"
        if error.code >= 500 or error.code in (408, 429):
            raise _Unreachable(reason) from None
        raise PresetError(f"A preset must be there, and readable: {reason}.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _Unreachable(f"no answer of {urllib.parse.urlsplit(url).netloc}: {reason}") from None
    with response:
        begins = offset if response.status == 206 else 0
        length = response.headers.get("Content-Length", "")
        size = begins + int(length) if length.isdecimal() else None
        yield _Stream(_chunks(response, (OSError, http.client.HTTPException)), begins, size)


def _without_query(url: str) -> str:
    return url.partition("?")[0]  # which may hold a signature


def _chunks(file: Any, errors: tuple[type[Exception], ...]) -> Iterator[bytes]:
    while True:
        try:
            chunk = file.read(CHUNK_BYTES)
        except errors as error:
            raise _Unreachable(f"the connection broke: {error or type(error).__name__}") from None
        if not chunk:
            return
        yield chunk


# ---- Hugging Face's hub


def import_hub(address: str) -> Any:
    """The package `huggingface_hub`.

    Raises:
        PresetError: It is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise PresetError(
            f"{address} needs the Hugging Face client: pip install huggingface_hub"
        ) from None
    return huggingface_hub


def parse_hub(address: str) -> tuple[str, str | None]:
    """hf://user/repo@revision -> (user/repo, revision or None)."""
    check(address)
    found = HUB.fullmatch(address)
    assert found is not None
    return found[1], found[2]


@contextlib.contextmanager
def hub_errors(address: str) -> Iterator[None]:
    """Raises what the hub's client raises as a PresetError, or as `_Unreachable`."""
    hub = import_hub(address)
    try:
        yield
    except (PresetError, _Unreachable):
        raise
    except hub.errors.HfHubHTTPError as error:
        code = getattr(error.response, "status_code", 0)
        kind = type(error).__name__
        if code >= 500 or code in (408, 429):
            raise _Unreachable(f"the hub answers HTTP {code}") from None
        raise PresetError(
            f"{address} must be a repository that you may use, with a preset's files. "
            f"Received: HTTP {code} ({kind}). Private ones need a token: HF_TOKEN."
        ) from None
    except hub.errors.HFValidationError as error:
        raise PresetError(f"{address} must be an address of the hub. Received: {error}") from None
    except Exception as error:  # of whatever HTTP package the client uses
        reason = error.__cause__ or error
        raise _Unreachable(f"no answer of the hub: {reason or type(reason).__name__}") from None


def _of_hub(address: str) -> Open:
    hub = import_hub(address)
    repository, revision = parse_hub(address)
    commit = None

    @contextlib.contextmanager
    def source(file: str, offset: int) -> Iterator[_Stream]:
        nonlocal commit
        if _offline() or commit is not None:
            kept = hub.try_to_load_from_cache(repository, file, revision=commit or revision)
            if isinstance(kept, str):  # fetched by the hub's own commands
                with open(kept, "rb") as opened:
                    opened.seek(offset)
                    yield _Stream(_chunks(opened, ()), offset, os.path.getsize(kept))
                return
        if _offline():
            raise _Unreachable("HF_HUB_OFFLINE is set, and it is not in the cache")
        with hub_errors(address):
            site = os.environ.get("HF_ENDPOINT")
            url = hub.hf_hub_url(repository, file, revision=commit or revision, endpoint=site)
            found = hub.get_hf_file_metadata(url, endpoint=site)
            headers = hub.utils.build_hf_headers()
        commit = commit or found.commit_hash  # all files are of one commit
        hosts = [urllib.parse.urlsplit(each).netloc for each in (url, found.location)]
        if hosts[0] != hosts[1]:
            headers.pop("authorization", None)
        with _open_url(found.location, headers, offset) as stream:
            yield stream

    return source


# ---- TensorFlow's file systems


def _of_gfile(folder: str) -> Open:
    @contextlib.contextmanager
    def source(file: str, offset: int) -> Iterator[_Stream]:
        if _offline():
            raise _Unreachable("HF_HUB_OFFLINE is set, and it is not in the cache")
        import tensorflow as tf  # its file systems know gs://

        path = f"{folder.rstrip('/')}/{file}"
        try:
            opened: BinaryIO = tf.io.gfile.GFile(path, "rb")
            size = opened.size()
            begins = min(offset, size)
            opened.seek(begins)
        except (
            tf.errors.UnavailableError,
            tf.errors.DeadlineExceededError,
            tf.errors.AbortedError,
        ) as error:
            raise _Unreachable(error.message) from None
        except tf.errors.OpError as error:
            raise PresetError(
                f"{folder} could not be fetched: {' '.join(error.message.split())}"
            ) from None
        with opened:
            yield _Stream(_chunks(opened, (tf.errors.OpError,)), begins, size)

    return source
