"""The asyncio twin of the client."""

import asyncio
import collections
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, overload

import grpc
import numpy as np

from serving.client import core
from serving.client.core import Steps
from serving.client.specs import Metadata, VersionStatus
from serving.errors import InvalidRequest


class AsyncClient:
    """`Client` for asyncio: the same methods, to be awaited, in one event loop.

    Example:

        async with AsyncClient("localhost:8500") as client:
            images = await client.generate("dcgan_fashion_mnist", n=16, seed=0)
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
        self._channel: grpc.aio.Channel | None = None
        self._calls: dict[str, grpc.aio.UnaryUnaryMultiCallable] = {}

    def __repr__(self) -> str:
        return f"AsyncClient({self._address!r})"

    async def __aenter__(self) -> "AsyncClient":
        if self._closed:
            raise core.closed(self)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection permanently: a later call raises `ServingError`."""
        self._closed = True
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()

    async def generate(
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
        """As `Client.generate`."""
        steps = self._core.generate(
            model, n, seed, labels, embeddings, truncation, version, timeout
        )
        return await self._drive(steps)

    async def generate_png(
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
        """As `Client.generate_png`."""
        steps = self._core.generate_png(
            model, n, seed, labels, embeddings, truncation, version, timeout
        )
        return await self._drive(steps)

    async def discriminate(
        self,
        model: str,
        images: np.ndarray,
        *,
        labels: int | Sequence[int] | None = None,
        embeddings: np.ndarray | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray:
        """As `Client.discriminate`."""
        steps = self._core.discriminate(model, images, labels, embeddings, version, timeout)
        return await self._drive(steps)

    @overload
    async def translate(
        self,
        model: str,
        image: np.ndarray,
        *,
        direction: str | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray: ...

    @overload
    async def translate(
        self,
        model: str,
        image: bytes | str | os.PathLike,
        *,
        direction: str | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> bytes: ...

    async def translate(
        self,
        model: str,
        image: np.ndarray | bytes | str | os.PathLike,
        *,
        direction: str | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray | bytes:
        """As `Client.translate`."""
        return await self._drive(self._core.translate(model, image, direction, version, timeout))

    @overload
    async def upscale(
        self,
        model: str,
        image: np.ndarray,
        *,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray: ...

    @overload
    async def upscale(
        self,
        model: str,
        image: bytes | str | os.PathLike,
        *,
        version: int | None = None,
        timeout: float | None = None,
    ) -> bytes: ...

    async def upscale(
        self,
        model: str,
        image: np.ndarray | bytes | str | os.PathLike,
        *,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray | bytes:
        """As `Client.upscale`."""
        return await self._drive(self._core.upscale(model, image, version, timeout))

    def translate_files(
        self,
        model: str,
        paths: Iterable[str | os.PathLike],
        *,
        direction: str | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[tuple[str | os.PathLike, bytes | InvalidRequest]]:
        """As `Client.translate_files`, to go through with `async for`."""
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
    ) -> AsyncIterator[tuple[str | os.PathLike, bytes | InvalidRequest]]:
        """As `Client.upscale_files`, to go through with `async for`."""
        return self._stream(paths, lambda path: self._core.upscale(model, path, version, timeout))

    async def paint(
        self,
        model: str,
        label_map: np.ndarray | bytes | str | os.PathLike,
        *,
        seed: int | None = None,
        version: int | None = None,
        timeout: float | None = None,
    ) -> np.ndarray | bytes:
        """As `Client.paint`."""
        return await self._drive(self._core.paint(model, label_map, seed, version, timeout))

    async def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        signature: str = "serving_default",
        version: int | None = None,
        outputs: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """As `Client.predict`."""
        steps = self._core.predict(model, inputs, signature, version, outputs, timeout)
        return await self._drive(steps)

    async def metadata(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> Metadata:
        """As `Client.metadata`."""
        return await self._drive(self._core.metadata(model, version, timeout))

    async def status(self, model: str, *, timeout: float | None = None) -> list[VersionStatus]:
        """As `Client.status`."""
        return await self._drive(self._core.status(model, timeout))

    async def models(self, *, timeout: float | None = None) -> dict[str, list[VersionStatus]]:
        """As `Client.models`."""
        return await self._drive(self._core.models(timeout))

    async def wait_until_available(self, model: str, timeout: float | None = None) -> None:
        """As `Client.wait_until_available`."""
        return await self._drive(self._core.wait_until_available(model, timeout))

    async def _drive(self, steps: Steps) -> Any:
        if self._closed:
            raise core.closed(self)
        try:
            step = next(steps)
            while True:
                if isinstance(step, core.Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(steps)
                    continue
                if isinstance(step, core.Together):
                    step = steps.send([r async for r in self._in_order(step.operations)])
                    continue
                try:
                    answer = await self._send(step)
                except grpc.RpcError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            return stop.value

    def _stream(
        self, paths: Iterable[Any], operation: Callable[[Any], Steps]
    ) -> AsyncIterator[tuple[Any, Any]]:
        return self._in_order(core.one_file(path, operation) for path in paths)

    async def _send(self, call: core.Call) -> Any:
        stub = self._stub(call.method)
        with core.traced(self._tracing, call, self._address) as headers:
            metadata = (*self._metadata, *headers)
            return await stub(call.request, timeout=call.timeout, metadata=metadata)

    async def _in_order(self, operations: Iterable[Steps]) -> AsyncIterator[Any]:
        """Yields results in order, with `IN_FLIGHT` operations at most under way."""
        waiting: collections.deque[asyncio.Task] = collections.deque()
        try:
            for steps in operations:
                waiting.append(asyncio.create_task(self._drive(steps)))
                if len(waiting) == core.IN_FLIGHT:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _stub(self, method: str) -> grpc.aio.UnaryUnaryMultiCallable:
        if self._closed:
            raise core.closed(self)
        if self._channel is None:
            options = core.channel_options(self._address)
            if self._credentials is None:
                self._channel = grpc.aio.insecure_channel(
                    self._address, options, interceptors=self._interceptors
                )
            else:
                self._channel = grpc.aio.secure_channel(
                    self._address, self._credentials, options, interceptors=self._interceptors
                )
            self._calls = core.stubs(self._channel)
        return self._calls[method]
