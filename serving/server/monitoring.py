"""Prometheus metrics under TF Serving's names."""

import collections

import prometheus_client
from prometheus_client.core import Metric

PATH = "/monitoring/prometheus/metrics"
_PREFIX = ":tensorflow:serving:"
# TF Serving's buckets, of microseconds.
_BUCKETS = [10 * 1.8**k for k in range(33)]
_SIZES = [2**k for k in range(17)]
_BATCHING = {
    "queuing_latency": "batching_session:queuing_latency",
    "processed_batch_size": "batching_session:processed_batch_size",
}


class Monitoring:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()
        self.registry = prometheus_client.CollectorRegistry()
        self._requests: collections.Counter[tuple[str, str]] = collections.Counter()
        self.registry.register(self)
        self._latency = self._histogram(
            "request_latency", "Microseconds of a call", ["model_name", "API", "entrypoint"]
        )
        self._runtime = self._histogram(
            "runtime_latency", "Microseconds of a run of a graph", ["model_name", "API", "runtime"]
        )
        self._queuing = self._histogram(
            _BATCHING["queuing_latency"], "Microseconds that a call waits", ["model_name"]
        )
        self._sizes = self._histogram(
            _BATCHING["processed_batch_size"], "Rows of a run of a graph", ["model_name"], _SIZES
        )
        self._warmup = self._histogram(
            "model_warmup_latency", "Microseconds of a version's warm-up", ["model_path", "status"]
        )

    def _histogram(self, name, text, labels, buckets=_BUCKETS):
        return prometheus_client.Histogram(
            _PREFIX + name, text, labels, buckets=buckets, registry=self.registry
        )

    def collect(self):
        """Yields the counter: prometheus_client's own would add `_total` to TF Serving's name."""
        counter = Metric(_PREFIX + "request_count", "Calls, by model and status", "unknown")
        for (model, status), value in sorted(self._requests.items()):
            labels = {"model_name": model, "status": status}
            counter.add_sample(counter.name, labels, value)
        yield counter

    def request(self, model: str, api: str, entrypoint: str, status: str, seconds: float) -> None:
        """Counts a call that ended."""
        self._requests[model, status] += 1
        self._latency.labels(model, api, entrypoint).observe(seconds * 1e6)

    def run(self, model: str, name: str, value: float) -> None:
        """Counts what a `Batcher` observes."""
        if name == "queuing_latency":
            self._queuing.labels(model).observe(value * 1e6)
        elif name == "runtime_latency":
            self._runtime.labels(model, "Predict", "TF1").observe(value * 1e6)
        elif name == "processed_batch_size":
            self._sizes.labels(model).observe(value)

    def warmed_up(self, path: str, status: str, seconds: float) -> None:
        """Counts a warm-up."""
        self._warmup.labels(path, status).observe(seconds * 1e6)

    def text(self) -> bytes:
        """Returns all metrics in Prometheus's text format."""
        return prometheus_client.generate_latest(self.registry)
