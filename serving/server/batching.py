"""Joins waiting requests of one model into the next batch while a thread runs the last one.

There is no timeout and nothing to tune. A single request runs at once. Under load the batches grow
by themselves, because more requests arrive while one runs. A batch holds rows of one signature and
one exact shape and type of row, and is not padded.

Requests wait in lanes that take turns. A signature's small requests have a lane of their own, and
its large ones run in pieces, one piece a turn, so that a caller of one row waits for one piece at
most. Whatever cannot share a run has a third lane.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
import os
import time
from collections.abc import Callable, Sequence

import grpc
import numpy as np

from serving import wire
from serving.server.servable import Signature
from serving.server.status import StatusError, invalid_argument, unavailable

# Requests of one model that may wait, and the bytes of their inputs. Beyond these a caller gets
# UNAVAILABLE at once and may retry. While the worker has no pause, fewer wait: see _Backlog.
QUEUE_LIMIT = 1024
QUEUE_BYTES = 2**31
# How long large requests go on in small pieces after a small request has come.
_CONSIDERATE_SECONDS = 1.0
# For how long more requests may come than are answered. A burst is shorter, and may wait.
_BURST_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of one model's queue.

    Attributes:
        batching: False runs each request separately, on as many threads as there are cores.
        batch_rows: the most rows of one run.
        request_rows: the most rows of one request.
        queue: requests that may wait.
        queue_seconds: how long a small request may expect to wait while the worker is never idle.
            A batch and a half may always wait.
    """

    batching: bool = True
    batch_rows: int = 32
    request_rows: int = 2**16
    queue: int = QUEUE_LIMIT
    queue_seconds: float = 0.1


@dataclasses.dataclass(eq=False)
class _Task:
    signature: Signature
    inputs: list[np.ndarray]
    rows: int  # 0: runs alone, whatever its shapes
    deadline: float | None  # in the event loop's time
    done: asyncio.Future
    lane: tuple
    arrived: float
    bytes: int
    ahead: int  # rows of small requests that waited when it came
    taken: int = 0  # rows that have been run, or are running
    pieces: list[list[np.ndarray]] = dataclasses.field(default_factory=list)


class _Backlog:
    """The small requests that wait, and how long a new one would.

    A queue that is bounded in requests alone makes every caller wait for all of it when requests
    come faster than they are answered. So after `_BURST_SECONDS` without a pause of the worker,
    only as many wait as are soon answered (after Maurer, "Fail at Scale", ACM Queue 13(8), 2015,
    "Controlled delay").
    """

    def __init__(self):
        self.rows = 0
        self.idle = True  # whether the worker has nothing to do
        self._since = 0.0  # when it last had nothing to do
        # Of the last hundred or so that had to wait: seconds, and the rows before them.
        self._seconds = 0.0
        self._ahead = 0.0

    def add(self, task: _Task) -> None:
        if self.idle:
            self.idle, self._since = False, task.arrived
        self.rows += _small_rows(task)

    def remove(self, task: _Task) -> None:
        self.rows -= _small_rows(task)

    def waited(self, task: _Task) -> None:
        """Learns from a task whose turn has come."""
        if task.ahead:
            self._seconds = 0.99 * self._seconds + time.monotonic() - task.arrived
            self._ahead = 0.99 * self._ahead + task.ahead

    def is_too_long(self, limits: Limits, now: float) -> bool:
        few = self.rows < 1.5 * limits.batch_rows
        if few or now - self._since < _BURST_SECONDS or not self._ahead:
            return False
        return self.rows * self._seconds / self._ahead > limits.queue_seconds


def _small_rows(task: _Task) -> int:
    return 0 if _is_large(task.lane) else max(1, task.rows)


# What is measured: a name of TF Serving's metrics and its value.
Observe = Callable[[str, float], None]


class Batcher:
    """Runs one model's checked inputs, batched with those of other callers, in one event loop."""

    def __init__(self, limits: Limits | None = None, observe: Observe = lambda name, value: None):
        self._limits = limits or Limits()
        self._observe = observe
        # The order of the keys is the order of their turns.
        self._lanes: dict[tuple, collections.deque[_Task]] = {}
        self._waiting = 0
        self._bytes = 0
        self._backlog = _Backlog()
        self._last_was_large = False
        self._last_small = -_CONSIDERATE_SECONDS
        self._arrival = asyncio.Event()
        threads = 1 if self._limits.batching else os.cpu_count() or 1
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "run")
        self._workers = [asyncio.create_task(self._work()) for _ in range(threads)]

    async def run(
        self, signature: Signature, inputs: list[np.ndarray], deadline: float | None = None
    ) -> list[np.ndarray]:
        """Returns one array per output of the signature, in sorted alias order.

        A caller that is cancelled frees its place.

        Args:
            signature: what to run.
            inputs: one array per input, of the signature's types.
            deadline: event loop's time at which the answer is no longer wanted.

        Raises:
            StatusError: INVALID_ARGUMENT when the request has too many rows, UNAVAILABLE when too
                many requests wait, DEADLINE_EXCEEDED when the deadline passed in the queue, and
                what the runtime says.
        """
        rows = signature.rows(inputs) if self._limits.batching else 0
        if rows > self._limits.request_rows:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size"
                f" {self._limits.request_rows}"
            )
        size = sum(map(_bytes_of, inputs))
        now = time.monotonic()
        full = self._waiting >= self._limits.queue
        full |= self._waiting > 0 and self._bytes + size > QUEUE_BYTES
        full |= rows <= self._small and self._backlog.is_too_long(self._limits, now)
        if full:
            raise unavailable("The batch scheduling queue to which this task was submitted is full")
        done = asyncio.get_running_loop().create_future()
        lane: tuple = (signature,)
        if rows:
            shapes = tuple((array.shape[1:], array.dtype.char) for array in inputs)
            lane = (signature, shapes, rows > self._small)
        if rows <= self._small:
            self._last_small = now
        task = _Task(
            signature, inputs, rows, deadline, done, lane, now, size, ahead=self._backlog.rows
        )
        self._backlog.add(task)
        self._lanes.setdefault(lane, collections.deque()).append(task)
        self._waiting += 1
        self._bytes += size
        self._arrival.set()
        try:
            return await done
        except asyncio.CancelledError:
            self._forget(task)
            raise

    async def close(self) -> None:
        """Ends the worker; nothing may be waiting."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        # In a thread: a run whose caller has left may still go on.
        await asyncio.to_thread(self._pool.shutdown)

    @property
    def _small(self) -> int:
        """Rows of a request that never runs in pieces."""
        return max(1, self._limits.batch_rows // 4)

    def _forget(self, task: _Task) -> None:
        lane = self._lanes.get(task.lane, ())
        if task in lane:
            self._left(lane, task)

    def _left(self, lane, task: _Task) -> None:
        """Takes a task out of the queue."""
        lane.remove(task)
        self._backlog.remove(task)
        self._waiting -= 1
        self._bytes -= task.bytes
        if not lane:
            self._lanes.pop(task.lane, None)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch, rows = self._next_batch(loop.time())
            if not batch:
                self._backlog.idle = True
                self._arrival.clear()
                await self._arrival.wait()
                continue
            for task in batch:
                if not task.pieces:
                    self._observe("queuing_latency", time.monotonic() - task.arrived)
            begun = time.monotonic()
            answers = await loop.run_in_executor(self._pool, _run_batch, batch, rows)
            self._observe("runtime_latency", time.monotonic() - begun)
            if rows:
                self._observe("processed_batch_size", rows)
            for task, answer in zip(batch, answers, strict=True):
                try:
                    self._answer(task, answer)
                except Exception as error:  # such as MemoryError: the worker goes on
                    task.done.set_exception(error)

    def _answer(self, task: _Task, answer: list[np.ndarray] | Exception) -> None:
        if task.done.done():  # its caller is gone
            return
        if not isinstance(answer, Exception) and task.taken < task.rows:
            task.pieces.append(answer)
            try:
                _check_answer_size(task)
            except StatusError as error:
                answer = error
        if isinstance(answer, Exception):
            task.done.set_exception(answer)
        elif task.taken < task.rows:
            return
        elif task.pieces:
            pieces = [*task.pieces, answer]
            task.done.set_result([np.concatenate(arrays) for arrays in zip(*pieces, strict=True)])
        else:
            task.done.set_result(answer)

    def _next_batch(self, now: float) -> tuple[list[_Task], int]:
        """Takes the tasks of the next run, and how many rows it has: 0 for a task that is alone."""
        while self._lanes:
            # After a piece of a large request it is a small one's turn, if there is any.
            key = next(iter(self._lanes))
            if self._last_was_large:
                key = next((small for small in self._lanes if not _is_large(small)), key)
            lane = self._lanes.pop(key)
            batch, rows = self._take(key, lane, now)
            if lane:  # the other lanes first
                self._lanes[key] = lane
            if batch:
                self._last_was_large = _is_large(key)
                return batch, rows
        return [], 0

    def _take(self, key, lane, now: float) -> tuple[list[_Task], int]:
        batch: list[_Task] = []
        rows = 0
        is_large = _is_large(key)
        while lane:
            task = lane[0]
            if self._is_late(task, now):
                self._left(lane, task)
                continue
            if is_large:
                others = time.monotonic() - self._last_small < _CONSIDERATE_SECONDS
                most = self._small if others else self._limits.batch_rows
                rows = min(most, task.rows - task.taken)
                task.taken += rows
                self._left(lane, task)
                if task.taken < task.rows:  # the other large ones first
                    lane.append(task)
                    self._waiting += 1
                    self._bytes += task.bytes
                return [task], rows
            if batch and (not task.rows or rows + task.rows > self._limits.batch_rows):
                break
            self._left(lane, task)
            self._backlog.waited(task)
            task.taken = task.rows
            batch.append(task)
            rows += task.rows
        return batch, rows

    def _is_late(self, task: _Task, now: float) -> bool:
        """Whether nobody waits for the task any more."""
        if not task.done.done() and task.deadline is not None and task.deadline <= now:
            task.done.set_exception(
                StatusError(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    "The deadline passed while the request waited for its turn",
                )
            )
        return task.done.done()


def _bytes_of(array: np.ndarray) -> int:
    return sum(map(len, array.flat)) if array.dtype == object else array.nbytes


def _is_large(lane: tuple) -> bool:
    """Whether a lane holds the large requests of a signature."""
    return len(lane) == 3 and lane[2]


def _run_batch(batch: list[_Task], rows: int) -> Sequence[list[np.ndarray] | Exception]:
    """Returns each task's outputs or error. Runs in a worker thread."""
    try:
        if len(batch) == 1:
            return [_run_one(batch[0], rows)]
        return _run_joined(batch, rows)
    except Exception as error:  # every caller must be answered
        if len(batch) == 1:
            return [error]
        # One caller's value may have failed the run, such as bytes that are no PNG: run each alone.
        return [_run_batch([task], task.rows)[0] for task in batch]


def _run_one(task: _Task, rows: int) -> list[np.ndarray]:
    if rows == task.rows:
        return task.signature.run(task.inputs)
    begin, end = task.taken - rows, task.taken
    outputs = task.signature.run([array[begin:end] for array in task.inputs])
    if not _go_by_rows(outputs, rows) or (task.pieces and not _join(task.pieces[0], outputs)):
        # As TF Serving without batching: the graph alone knows what its outputs are.
        task.taken, task.pieces = task.rows, []
        return task.signature.run(task.inputs)
    return outputs


def _run_joined(batch: list[_Task], rows: int) -> Sequence[list[np.ndarray] | Exception]:
    inputs = [np.concatenate(parts) for parts in zip(*(task.inputs for task in batch), strict=True)]
    outputs = batch[0].signature.run(inputs)
    if not _go_by_rows(outputs, rows):
        return [_run_batch([task], task.rows)[0] for task in batch]
    answers, start = [], 0
    for task in batch:
        answers.append([output[start : start + task.rows] for output in outputs])
        start += task.rows
    return answers


def _join(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Whether the rows of two pieces have one shape: some models pad to the longest of a batch."""
    return all(a.shape[1:] == b.shape[1:] for a, b in zip(one, other, strict=True))


def _go_by_rows(outputs: Sequence[np.ndarray], rows: int) -> bool:
    return all(np.ndim(output) and len(output) == rows for output in outputs)


def _check_answer_size(task: _Task) -> None:
    """Refuses a request whose answer cannot be sent, after its first piece."""
    first = task.pieces[0]
    size = sum(output.nbytes // max(1, len(output)) for output in first) * task.rows
    if size > wire.MAX_MESSAGE_BYTES:
        task.taken = task.rows
        raise invalid_argument(
            f"An answer must have at most 2 GiB; ask for fewer rows at a time. Received:"
            f" {task.rows} rows, whose answer would have {size:,} bytes"
        )
