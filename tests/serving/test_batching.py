"""The batcher, with signatures whose runs the test holds in its hand."""

import asyncio
import threading
import types

import grpc
import numpy as np
import pytest

from serving.server.batching import Batcher, Limits
from serving.server.status import StatusError


class Held:
    """A signature that waits in its run until it is let go, and notes what it was given."""

    def __init__(self, held=True):
        self.runs = []
        self.go = threading.Event()
        self.started = threading.Event()
        if not held:
            self.go.set()

    def rows(self, inputs):
        return len(inputs[0])

    def run(self, inputs):
        self.runs.append(inputs[0].ravel().tolist())
        self.started.set()
        assert self.go.wait(30)
        if -1 in inputs[0]:
            raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, "no -1")
        return [inputs[0] * 2]


class Stepped(Held):
    """Each run waits for a step."""

    def __init__(self):
        super().__init__(held=False)
        self.steps = threading.Semaphore(0)

    def run(self, inputs):
        self.started.set()
        assert self.steps.acquire(timeout=30)
        return super().run(inputs)


def _rows(*values):
    return [np.array(values, np.float32)]


async def _with_batcher(test, **kwargs):
    batcher = Batcher(Limits(**{"batch_rows": 8} | kwargs))
    try:
        return await asyncio.wait_for(test(batcher), 60)
    finally:
        await batcher.close()


def _run(test, **kwargs):
    return asyncio.run(_with_batcher(test, **kwargs))


async def _start(batcher, signature, *values, **kwargs):
    """Submits and lets the batcher take notice."""
    task = asyncio.create_task(batcher.run(signature, _rows(*values), **kwargs))
    await asyncio.sleep(0)
    return task


async def _until_started(signature):
    await asyncio.get_running_loop().run_in_executor(None, signature.started.wait, 30)


async def _next_run(signature):
    """Lets a `Stepped` signature's run end, and waits for the one after it."""
    signature.started.clear()
    signature.steps.release()
    await _until_started(signature)


@pytest.fixture
def clock(monkeypatch):
    """The batcher's time, as `clock.now`."""
    clock = types.SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("serving.server.batching.time", clock)
    return clock


def test_requests_that_arrive_during_a_run_form_the_next_batch():
    async def test(batcher):
        signature = Held()
        tasks = [await _start(batcher, signature, 0)]
        await _until_started(signature)
        tasks += [await _start(batcher, signature, number) for number in (1, 2, 3)]
        signature.go.set()
        answers = await asyncio.gather(*tasks)
        assert [answer[0].tolist() for answer in answers] == [[0], [2], [4], [6]]
        return signature.runs

    # The lone first one ran at once.
    assert _run(test) == [[0], [1, 2, 3]]


def test_a_batch_has_at_most_as_many_rows_as_its_limit():
    async def test(batcher):
        signature = Held()
        tasks = [await _start(batcher, signature, 0)]
        await _until_started(signature)
        tasks += [await _start(batcher, signature, *range(at, at + 3)) for at in (10, 20, 30)]
        signature.go.set()
        answers = await asyncio.gather(*tasks)
        assert answers[3][0].tolist() == [60, 62, 64]
        return signature.runs

    assert _run(test, batch_rows=12) == [[0], [10, 11, 12, 20, 21, 22, 30, 31, 32]]
    assert _run(test, batch_rows=13) == [[0], [10, 11, 12, 20, 21, 22, 30, 31, 32]]
    small = _run(test, batch_rows=8)  # three rows are many here: no others join
    assert [len(run) for run in small[:1]] == [1]
    assert max(map(len, small)) <= 3


def test_a_large_request_runs_in_pieces_and_small_ones_run_between():
    async def test(batcher):
        signature, other = Held(), Held(held=False)
        large = await _start(batcher, signature, *range(20))
        await _until_started(signature)
        small = await _start(batcher, other, 7)
        signature.go.set()
        assert (await small)[0].tolist() == [14]
        assert not large.done()
        assert (await large)[0].tolist() == [2 * n for n in range(20)]
        return [len(run) for run in signature.runs]

    # The first piece is as large as a batch; those beside small requests are a quarter of that.
    assert _run(test) == [8, 2, 2, 2, 2, 2, 2]


def test_a_lone_large_request_runs_in_whole_batches():
    async def test(batcher):
        signature = Held(held=False)
        assert (await batcher.run(signature, _rows(*range(20))))[0].tolist() == list(
            range(0, 40, 2)
        )
        return [len(run) for run in signature.runs]

    assert _run(test) == [8, 8, 4]


def test_one_row_waits_for_one_piece_of_the_large_requests_before_it():
    """Of one signature and one shape: a single row is not behind 160 rows."""

    async def test(batcher):
        signature = Held()
        large = [await _start(batcher, signature, *range(20)) for _ in range(8)]
        await _until_started(signature)
        single = await _start(batcher, signature, 500)
        signature.go.set()
        await single
        before = signature.runs.index([500])
        await asyncio.gather(*large)
        return before

    assert _run(test) == 1


def test_large_requests_take_turns():
    async def test(batcher):
        signature = Held()
        first = await _start(batcher, signature, *range(24))
        await _until_started(signature)
        second = await _start(batcher, signature, *range(100, 124))
        signature.go.set()
        await asyncio.gather(first, second)
        return [run[0] for run in signature.runs]

    assert _run(test) == [0, 8, 100, 16, 108, 116]


def test_outputs_that_do_not_go_by_rows_are_what_the_graph_makes_of_the_whole_request():
    class Sum(Held):
        def run(self, inputs):
            self.runs.append(len(inputs[0]))
            return [np.array([inputs[0].sum()])]

    async def test(batcher):
        signature = Sum(held=False)
        answers = await asyncio.gather(
            batcher.run(signature, _rows(*range(20))),
            batcher.run(signature, _rows(1, 2)),
            batcher.run(signature, _rows(3, 4)),
        )
        assert [answer[0].tolist() for answer in answers] == [[190], [3], [7]]

    _run(test)


class Padded(Held):
    """Pads its rows to the longest of a run, as models of text do."""

    def run(self, inputs):
        (rows,) = super().run(inputs)
        return [np.repeat(rows[:, None], int(rows.max()), axis=1)]


def test_pieces_of_several_widths_are_what_the_graph_makes_of_the_whole_request():
    signature = Padded(held=False)

    async def test(batcher):
        values = list(range(1, 21))
        (answer,) = await batcher.run(signature, _rows(*values))
        np.testing.assert_array_equal(answer, np.repeat(2.0 * np.array([values]).T, 40, axis=1))
        assert len(signature.runs[-1]) == 20
        (answer,) = await batcher.run(signature, _rows(3))  # the worker goes on
        assert answer.tolist() == [[6.0] * 6]

    _run(test)


def test_bytes_of_strings_count(monkeypatch):
    monkeypatch.setattr("serving.server.batching.QUEUE_BYTES", 1000)
    signature = Held()

    async def test(batcher):
        first = await _start(batcher, signature, 1)
        await _until_started(signature)
        picture = [np.array([b"x" * 600], object)]
        waiting = asyncio.create_task(batcher.run(Held(held=False), picture))
        await asyncio.sleep(0)
        with pytest.raises(StatusError, match="queue to which this task was submitted is full"):
            await batcher.run(Held(held=False), picture)
        signature.go.set()
        await first
        waiting.cancel()

    _run(test)


def test_too_many_rows_are_refused():
    """TF Serving: `Task size 65 is larger than maximum input batch size 64`."""

    async def test(batcher):
        with pytest.raises(StatusError) as caught:
            await batcher.run(Held(), _rows(*range(65)))
        assert (caught.value.code, caught.value.message) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "Task size 65 is larger than maximum input batch size 64",
        )

    _run(test, request_rows=64)


def test_other_row_shapes_and_signatures_do_not_share_a_batch():
    async def test(batcher):
        signature, other = Held(), Held(held=False)
        first = await _start(batcher, signature, 0)
        await _until_started(signature)
        wide = asyncio.create_task(batcher.run(signature, [np.ones((1, 2), np.float32)]))
        await asyncio.sleep(0)
        tasks = [first, wide, await _start(batcher, signature, 1), await _start(batcher, other, 2)]
        signature.go.set()
        answers = await asyncio.gather(*tasks)
        assert answers[1][0].shape == (1, 2)
        return signature.runs, other.runs

    assert _run(test) == ([[0], [1, 1], [1]], [[2]])


def test_a_failed_batch_is_run_again_one_by_one():
    async def test(batcher):
        signature = Held()
        tasks = [await _start(batcher, signature, 0)]
        await _until_started(signature)
        tasks += [await _start(batcher, signature, value) for value in (5, -1, 6)]
        signature.go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers.pop(2), StatusError)
        assert [answer[0].tolist() for answer in answers] == [[0], [10], [12]]

    _run(test)


def test_a_request_whose_deadline_passed_in_the_queue_is_dropped():
    async def test(batcher):
        signature = Held()
        first = await _start(batcher, signature, 0)
        await _until_started(signature)
        now = asyncio.get_running_loop().time()
        late = await _start(batcher, signature, 1, deadline=now + 0.01)
        in_time = await _start(batcher, signature, 2, deadline=now + 60)
        await asyncio.sleep(0.05)
        signature.go.set()
        await asyncio.gather(first, in_time)
        with pytest.raises(StatusError, match="deadline passed while the request waited") as caught:
            await late
        assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
        return signature.runs

    assert _run(test) == [[0], [2]]


def test_a_request_whose_caller_left_is_dropped():
    async def test(batcher):
        signature = Held()
        first = await _start(batcher, signature, 0)
        await _until_started(signature)
        gone = await _start(batcher, signature, 1)
        gone.cancel()
        signature.go.set()
        await first
        await batcher.run(signature, _rows(3))
        return signature.runs

    assert _run(test) == [[0], [3]]


def test_a_caller_that_left_frees_its_place():
    async def test(batcher):
        signature = Held()
        first = await _start(batcher, signature, 0)
        await _until_started(signature)
        gone = [await _start(batcher, signature, value) for value in (1, 2)]
        for task in gone:
            task.cancel()
        await asyncio.sleep(0)
        there = [await _start(batcher, signature, value) for value in (3, 4)]
        signature.go.set()
        await asyncio.gather(first, *there)
        return signature.runs

    assert _run(test, queue=2) == [[0], [3, 4]]


def test_a_full_queue_refuses():
    """TF Serving: UNAVAILABLE `The batch scheduling queue ... is full`."""

    async def test(batcher):
        signature = Held()
        tasks = [await _start(batcher, signature, 0)]
        await _until_started(signature)
        tasks += [await _start(batcher, signature, value) for value in (1, 2)]
        with pytest.raises(StatusError) as caught:
            await batcher.run(signature, _rows(3))
        assert caught.value.code == grpc.StatusCode.UNAVAILABLE
        assert caught.value.message == (
            "The batch scheduling queue to which this task was submitted is full"
        )
        signature.go.set()
        await asyncio.gather(*tasks)
        assert (await batcher.run(signature, _rows(4)))[0].tolist() == [8]  # room again

    _run(test, queue=2)


def test_a_worker_without_a_pause_refuses_whoever_would_wait_long(clock):
    """A burst may wait. After a second, a batch and a half may."""

    async def test(batcher):
        signature = Stepped()
        tasks = [await _start(batcher, signature, 0)]
        await _until_started(signature)
        tasks += [await _start(batcher, signature, n) for n in range(1, 31)]  # a burst
        clock.now += 2
        await _next_run(signature)  # eight of the 30 run, after 2 s; 22 wait
        with pytest.raises(StatusError, match="queue .* is full") as caught:
            await batcher.run(signature, _rows(31))
        assert caught.value.code == grpc.StatusCode.UNAVAILABLE
        for _ in range(2):  # 6 wait
            await _next_run(signature)
        tasks += [await _start(batcher, signature, n) for n in range(31, 37)]  # 12 wait
        with pytest.raises(StatusError, match="queue .* is full"):
            await batcher.run(signature, _rows(37))
        large = await _start(batcher, signature, *range(10))  # its caller expects to wait
        signature.steps.release(100)
        await asyncio.gather(large, *tasks)
        # It paused: the next burst may wait.
        await asyncio.gather(*[await _start(batcher, signature, n) for n in range(30)])

    _run(test)


def test_a_fast_model_may_have_a_long_queue(clock):
    async def test(batcher):
        signature = Stepped()
        tasks = [await _start(batcher, signature, 0)]
        await _until_started(signature)
        tasks += [await _start(batcher, signature, n) for n in range(30)]
        clock.now += 0.001
        await _next_run(signature)
        clock.now += 2
        tasks += [await _start(batcher, signature, n) for n in range(30)]
        signature.steps.release(100)
        await asyncio.gather(*tasks)

    _run(test)


def test_an_answer_too_large_to_send_is_refused_after_the_first_piece():
    class Large(Held):
        def run(self, inputs):
            super().run(inputs)
            row = np.broadcast_to(np.float32(0), (len(inputs[0]), 2**20))
            return [row]

    async def test(batcher):
        signature = Large(held=False)
        with pytest.raises(StatusError, match=r"at most 2 GiB; .* Received: 1000 rows") as caught:
            await batcher.run(signature, _rows(*range(1000)))
        assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
        return len(signature.runs)

    assert _run(test) == 1


def test_without_batching_each_request_runs_by_itself():
    async def test(batcher):
        signature = Held(held=False)
        tasks = [await _start(batcher, signature, *range(n, 2 * n)) for n in range(1, 20)]
        answers = await asyncio.gather(*tasks)
        assert [len(answer[0]) for answer in answers] == list(range(1, 20))
        return sorted(len(run) for run in signature.runs)

    assert _run(test, batching=False) == list(range(1, 20))
