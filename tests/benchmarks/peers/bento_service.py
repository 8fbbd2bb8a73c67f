"""BentoML with its adaptive batches. Its answers are JSON, so the PNG is base64."""

import base64

import bentoml
import numpy as np

from tests.benchmarks.peers.model import MAX_ROWS, Model


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 1000})
class Service:
    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api(batchable=True, max_batch_size=MAX_ROWS, max_latency_ms=60_000)
    def draw(self, seeds: np.ndarray) -> list[str]:
        return [base64.b64encode(png).decode() for png in self.model.draw(seeds)]
