"""The blocking client."""

import collections
import concurrent.futures
import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import grpc
import numpy as np

from serving.client import core
from serving.client.core import Steps
from serving.client.specs import Metadata, VersionStatus
from serving.errors import InvalidRequest


class Client:
    """Calls a server of TF Serving's gRPC API. Needs no TensorFlow.

    The connection opens at the first call, and again in a forked child. A client may be used from
    several threads, until it is closed. If the server is unavailable, a call is tried again, with
    growing waits, until its deadline.

    Args:
        address: the server's "host:port".
        timeout: seconds that a call may take in all, with all its requests and retries, unless the
            call sets its own.
        credentials: of `grpc.ssl_channel_credentials(...)`, for a server with TLS; None for none.
        metadata: (key, value) pairs that go with every request, such as an authorization.
        interceptors: gRPC's client interceptors, the outermost first.
        tracing: makes OpenTelemetry spans of the calls, with the global provider.

    An address `dns:///name:port` takes turns among all addresses of the name, and
    `ipv4:10.0.0.1:8500,10.0.0.2:8500` among those.

    Example:

        with Client("localhost:8500") as client:
            images = client.generate("dcgan_fashion_mnist", n=16, seed=0)

    Every method raises a `ServingError`: `Unavailable`, `DeadlineExceeded`, `ModelNotFound` or
    `InvalidRequest`.
    """

    def __init__(
        self,
        address: str = core.DEFAULT_ADDRESS,
        *,
        timeout: float = core.DEFAULT_TIMEOUT,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        interceptors: Sequence[Any] = (),
        tracing: bool = False,
    ):
        self._address = address
        self._core = core.Core(address, timeout)
        self._credentials = credentials
        self._metadata = tuple(metadata)
        self._interceptors = tuple(interceptors)
        self._tracing = core.tracing_of(tracing)
        self._closed = False
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._calls: dict[str, grpc.UnaryUnaryMultiCallable] = {}
        self._pid = 0

    def __repr__(self) -> str:
        return f"Client({self._address!r})"

    def __enter__(self) -> "Client":
        if self._closed:
            raise core.closed(self)
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection permanently: a later call raises `ServingError`."""
        with self._lock:
            self._closed = True
            if self._channel is not None and self._pid == os.getpid():
                self._channel.close()
            self._channel = None

    def generate(
        self,
        model: str,
        n: int | None = None,
        *,
        seed: int | None = None,
        labels: int | Sequence[int] | None = None,
        embeddings: np.ndarray | None = None,
        truncation: float | Sequence[float] | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray:
        """Returns `n` images, uint8 [n, H, W, C]; row i is made from seed `seed + i`.

        Args:
            model: the model's name.
            n: how many; by default as many as labels, embeddings or truncations are given, else 1.
            seed: None draws a fresh one.
            labels: for a model that takes classes: one class for all images, or n of them. None
                draws row i's class from seed + i.
            embeddings: for a model that takes vectors: one [d] for all images, or [n, d]. None
                draws them likewise.
            truncation: for a model that has it: trades variety for fidelity, more so the closer it
                is to 0. One number for all images, or n of them. None does not truncate.
            version: a version number; the latest by default.
            timeout: seconds.
        """
        steps = self._core.generate(
            model, n, seed, labels, embeddings, truncation, version, timeout
        )
        return self._drive(steps)

    def generate_png(
        self,
        model: str,
        n: int | None = None,
        *,
        seed: int | None = None,
        labels: int | Sequence[int] | None = None,
        embeddings: np.ndarray | None = None,
        truncation: float | Sequence[float] | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> list[bytes]:
        """Returns the images of `generate` as `n` PNG files."""
        steps = self._core.generate_png(
            model, n, seed, labels, embeddings, truncation, version, timeout
        )
        return self._drive(steps)

    def discriminate(
        self,
        model: str,
        images: np.ndarray,
        *,
        labels: int | Sequence[int] | None = None,
        embeddings: np.ndarray | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray:
        """Returns float32 [N]: the probability that each image is real; a critic's raw score.

        Args:
            model: the model's name.
            images: [N, H, W, C], uint8, or float in [-1, 1].
            labels: for a model that takes classes: one class for all images, or N of them.
            embeddings: for a model that takes vectors: one [d] for all images, or [N, d].
            version: a version number; the latest by default.
            timeout: seconds.
        """
        steps = self._core.discriminate(model, images, labels, embeddings, version, timeout)
        return self._drive(steps)

    @overload
    def translate(
        self,
        model: str,
        image: np.ndarray,
        *,
        direction: str | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray: ...

    @overload
    def translate(
        self,
        model: str,
        image: bytes | str | os.PathLike,
        *,
        direction: str | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> bytes: ...

    def translate(
        self,
        model: str,
        image: np.ndarray | bytes | str | os.PathLike,
        *,
        direction: str | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray | bytes:
        """Returns a translated image, or a batch of them.

        Args:
            model: the model's name.
            image: uint8 [H, W, C] or [N, H, W, C], which returns uint8 images of the same rank; or
                a PNG or JPEG, as bytes or as the path of a file, which returns a PNG, as bytes. A
                photo is turned upright. A transparent picture is laid on white for the model, and
                its alpha is kept. Where Pillow is installed, also any file that Pillow reads; one
                of Pillow's images, which returns one; and an array of grey or with alpha, C from 1
                to 4.
            direction: for a model that has several, such as "b_to_a"; the first one by default.
            version: a version number; the latest by default.
            timeout: seconds.
        """
        return self._drive(self._core.translate(model, image, direction, version, timeout))

    @overload
    def upscale(
        self,
        model: str,
        image: np.ndarray,
        *,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray: ...

    @overload
    def upscale(
        self,
        model: str,
        image: bytes | str | os.PathLike,
        *,
        version: int | None = None,
        timeout: float | None = None,
    ) -> bytes: ...

    def upscale(
        self,
        model: str,
        image: np.ndarray | bytes | str | os.PathLike,
        *,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray | bytes:
        """Returns an enlarged image, or a batch of them, in the forms of `translate`."""
        return self._drive(self._core.upscale(model, image, version, timeout))

    def translate_files(
        self,
        model: str,
        paths: Iterable[str | os.PathLike],
        *,
        direction: str | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[tuple[str | os.PathLike, bytes | InvalidRequest]]:
        """Yields each path and its translated PNG, in order, a few of them in flight together.

        For a file that is no picture or is refused, the error comes in place of the PNG.

        Args:
            model: the model's name.
            paths: files, as `translate` takes them; any iterable, which is read as needed.
            direction: as for `translate`.
            version: a version number; the latest by default.
            timeout: seconds for each file.
        """
        return self._stream(
            paths, lambda path: self._core.translate(model, path, direction, version, timeout)
        )

    def upscale_files(
        self,
        model: str,
        paths: Iterable[str | os.PathLike],
        *,
        version: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[tuple[str | os.PathLike, bytes | InvalidRequest]]:
        """Yields each path and its enlarged PNG, as `translate_files`."""
        return self._stream(paths, lambda path: self._core.upscale(model, path, version, timeout))

    def paint(
        self,
        model: str,
        label_map: np.ndarray | bytes | str | os.PathLike,
        *,
        seed: int | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray | bytes:
        """Returns a painted map of classes, or a batch of them.

        Args:
            model: the model's name.
            label_map: classes uint8 [H, W] or [N, H, W], for which images uint8 [H, W, C] or
                [N, H, W, C] come back; or a PNG of 8-bit grey, whose values are the classes, as
                bytes or as the path of a file, for which a PNG comes back, as bytes.
            seed: map i is painted from seed + i; None draws a fresh one.
            version: a version number; the latest by default.
            timeout: seconds.
        """
        return self._drive(self._core.paint(model, label_map, seed, version, timeout))

    def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        signature: str = "serving_default",
        version: int | None = None,
        outputs: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs any signature, as one request.

        Args:
            model: the model's name.
            inputs: input name -> array, of exactly the signature's type. Lists and numbers are
                converted; strings are `str` or `bytes`.
            signature: which one of `metadata(model).signatures`.
            version: a version number; the latest by default.
            outputs: names of the outputs to return; all by default.
            timeout: seconds.
        """
        steps = self._core.predict(model, inputs, signature, version, outputs, timeout)
        return self._drive(steps)

    def metadata(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> Metadata:
        """Returns types and shapes of the model's signatures. The answer is cached."""
        return self._drive(self._core.metadata(model, version, timeout))

    def status(self, model: str, *, timeout: float | None = None) -> list[VersionStatus]:
        """Returns the state of every version that the server knows, in the server's order."""
        return self._drive(self._core.status(model, timeout))

    def models(self, *, timeout: float | None = None) -> dict[str, list[VersionStatus]]:
        """Returns the models that the server has, and their versions, the highest first.

        Raises:
            ServingError: the server cannot tell. `python -m serving` can; TF Serving's API has no
                call for it.
        """
        return self._drive(self._core.models(timeout))

    def wait_until_available(self, model: str, timeout: float | None = None) -> None:
        """Returns as soon as the server answers and has an AVAILABLE version of the model.

        Raises:
            DeadlineExceeded: that took longer than `timeout` seconds.
        """
        return self._drive(self._core.wait_until_available(model, timeout))

    def _drive(self, steps: Steps) -> Any:
        if self._closed:
            raise core.closed(self)
        try:
            step = next(steps)
            while True:
                if isinstance(step, core.Pause):
                    time.sleep(step.seconds)
                    step = next(steps)
                    continue
                if isinstance(step, core.Together):
                    step = steps.send(list(self._in_order(step.operations)))
                    continue
                try:
                    answer = self._send(step)
                except grpc.RpcError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            return stop.value

    def _stream(
        self, paths: Iterable[Any], operation: Callable[[Any], Steps]
    ) -> Iterator[tuple[Any, Any]]:
        return self._in_order(core.one_file(path, operation) for path in paths)

    def _send(self, call: core.Call) -> Any:
        stub = self._stub(call.method)
        with core.traced(self._tracing, call, self._address) as headers:
            metadata = (*self._metadata, *headers)
            return stub(call.request, timeout=call.timeout, metadata=metadata)

    def _in_order(self, operations: Iterable[Steps]) -> Iterator[Any]:
        """Yields results in order, with `IN_FLIGHT` operations at most under way."""
        waiting: collections.deque[concurrent.futures.Future] = collections.deque()
        pool = concurrent.futures.ThreadPoolExecutor(core.IN_FLIGHT, "serving.client")
        try:
            for steps in operations:
                # The caller's context, which holds its span.
                context = contextvars.copy_context()
                waiting.append(pool.submit(context.run, self._drive, steps))
                if len(waiting) == core.IN_FLIGHT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _stub(self, method: str) -> grpc.UnaryUnaryMultiCallable:
        with self._lock:
            if self._closed:
                raise core.closed(self)
            if self._channel is None or self._pid != os.getpid():
                self._pid = os.getpid()
                options = core.channel_options(self._address)
                if self._credentials is None:
                    self._channel = grpc.insecure_channel(self._address, options)
                else:
                    self._channel = grpc.secure_channel(self._address, self._credentials, options)
                self._calls = core.stubs(grpc.intercept_channel(self._channel, *self._interceptors))
            return self._calls[method]
