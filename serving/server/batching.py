"""Joins waiting requests into the next batch while one worker thread runs the last batch.

There is no timeout and nothing to tune. A single request runs at once. Under load the batches grow
by themselves, because more requests arrive while one runs. A batch holds rows of one signature and
one exact shape and type of row; every request was checked before it came here.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
import os
from collections.abc import Sequence

import grpc
import numpy as np

from serving import wire
from serving.server.models import Signature
from serving.server.status import StatusError, invalid_argument

# Requests that may wait. Beyond this number a caller gets UNAVAILABLE at once and may retry.
QUEUE_LIMIT = 1024


@dataclasses.dataclass(eq=False)
class _Task:
    signature: Signature
    inputs: list[np.ndarray]
    rows: int  # 0: runs alone, whatever its shapes
    deadline: float | None  # in the event loop's time
    done: asyncio.Future


class Batcher:
    """Runs checked inputs, batched with those of other callers. Lives in one event loop.

    Args:
        enabled: False runs each request separately, on as many threads as there are cores.
        max_batch_size: the most rows of one run.
    """

    def __init__(self, *, enabled: bool, max_batch_size: int):
        self._enabled = enabled
        self._max = max_batch_size
        # Tasks by what can share a batch. The order of the keys is the order of their turns.
        self._queues: dict[tuple, collections.deque[_Task]] = {}
        self._waiting = 0
        self._arrival = asyncio.Event()
        threads = 1 if enabled else os.cpu_count() or 1
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "run")
        self._workers = [asyncio.create_task(self._work()) for _ in range(threads)]

    async def run(
        self, signature: Signature, inputs: list[np.ndarray], deadline: float | None = None
    ) -> list[np.ndarray]:
        """Returns one array per output of the signature, in sorted alias order.

        More rows than `max_batch_size` run piece by piece, interleaved with those of other callers.

        Args:
            signature: what to run.
            inputs: one array per input, as `Signature.check` returns them.
            deadline: event loop's time at which the answer is no longer wanted.

        Raises:
            StatusError: UNAVAILABLE when too many requests wait, DEADLINE_EXCEEDED when the
                deadline passed in the queue, and what the runtime says.
        """
        rows = len(inputs[0]) if self._enabled and signature.batchable else 0
        if rows <= self._max:
            return await self._submit(signature, inputs, rows, deadline)
        pieces = []
        for start in range(0, rows, self._max):
            piece = [array[start : start + self._max] for array in inputs]
            pieces.append(await self._submit(signature, piece, len(piece[0]), deadline))
            if start == 0:
                _check_answer_size(pieces[0], rows)
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    async def close(self) -> None:
        """Ends the worker; nothing may be waiting."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._pool.shutdown()

    async def _submit(self, signature, inputs, rows, deadline):
        if self._waiting >= QUEUE_LIMIT:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full",
            )
        done = asyncio.get_running_loop().create_future()
        task = _Task(signature, inputs, rows, deadline, done)
        # Tasks that run alone get a queue each, so that they take turns with the others.
        shapes = tuple((array.shape[1:], array.dtype.char) for array in inputs) if rows else task
        self._queues.setdefault((signature, shapes), collections.deque()).append(task)
        self._waiting += 1
        self._arrival.set()
        return await done

    async def _work(self):
        loop = asyncio.get_running_loop()
        while True:
            batch = self._next_batch(loop.time())
            if not batch:
                self._arrival.clear()
                await self._arrival.wait()
                continue
            answers = await loop.run_in_executor(self._pool, _run_batch, batch, self._max)
            for task, answer in zip(batch, answers, strict=True):
                if task.done.done():  # its caller is gone
                    continue
                if isinstance(answer, Exception):
                    task.done.set_exception(answer)
                else:
                    task.done.set_result(answer)

    def _next_batch(self, now: float) -> list[_Task]:
        """Takes the next tasks that run together; drops those whose callers are gone."""
        batch: list[_Task] = []
        rows = 0
        while self._queues and not batch:
            key, queue = next(iter(self._queues.items()))
            while queue and (not batch or (batch[0].rows and rows + queue[0].rows <= self._max)):
                task = queue.popleft()
                self._waiting -= 1
                if task.done.done():  # cancelled: its caller is gone
                    continue
                if task.deadline is not None and task.deadline <= now:
                    task.done.set_exception(
                        StatusError(
                            grpc.StatusCode.DEADLINE_EXCEEDED,
                            "The deadline passed while the request waited for its turn",
                        )
                    )
                    continue
                batch.append(task)
                rows += task.rows
            del self._queues[key]
            if queue:  # the other queues first
                self._queues[key] = queue
        return batch


def _run_batch(batch: list[_Task], max_rows: int) -> Sequence[Sequence[np.ndarray] | Exception]:
    """Returns each task's outputs or error. Runs in a worker thread."""
    try:
        if not batch[0].rows:
            return [batch[0].signature.run(batch[0].inputs)]
        return _run_rows(batch, max_rows)
    except Exception as error:  # every caller must be answered
        if len(batch) == 1:
            return [error]
        # One caller's value may have failed the run, such as bytes that are no PNG: run each alone.
        return [_run_batch([task], max_rows)[0] for task in batch]


def _run_rows(batch: list[_Task], max_rows: int) -> list[list[np.ndarray]]:
    rows = sum(task.rows for task in batch)
    padded = rows
    if batch[0].signature.padded:  # to 1, 2, 4 ... rows: few shapes to plan for
        padded = min(1 << (rows - 1).bit_length(), max_rows)
    inputs = []
    for parts in zip(*(task.inputs for task in batch), strict=True):
        padding = [parts[-1][-1:]] * (padded - rows)
        joined = [*parts, *padding]
        inputs.append(np.concatenate(joined) if len(joined) > 1 else joined[0])
    outputs = batch[0].signature.run(inputs)
    if any(np.ndim(output) == 0 or len(output) != padded for output in outputs):
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension"
            f" sizes of the input tensors. Received: outputs of shapes"
            f" {[list(np.shape(output)) for output in outputs]} for {padded} rows",
        )
    answers, start = [], 0
    for task in batch:
        answers.append([output[start : start + task.rows] for output in outputs])
        start += task.rows
    return answers


def _check_answer_size(first: list[np.ndarray], rows: int) -> None:
    """Refuses a request whose answer cannot be sent, after its first piece."""
    size = sum(output.nbytes // len(output) for output in first) * rows
    if size > wire.MAX_MESSAGE_BYTES:
        raise invalid_argument(
            f"An answer must have at most 2 GiB; ask for fewer rows at a time. Received: {rows}"
            f" rows, whose answer would have {size:,} bytes"
        )
