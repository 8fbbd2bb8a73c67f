"""OpenTelemetry spans of the client and the server."""

import asyncio
import sys
import types

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import serving
from serving.client import core
from serving.server.api import Api, Origin
from serving.server.monitoring import Monitoring
from serving.server.status import StatusError, not_found
from serving.tracing import Tracing, endpoint
from tests.serving import fake
from tests.serving.test_client import KINDS, Client


@pytest.fixture
def spans(monkeypatch):
    """What has been exported, and a provider that does it."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(core, "Tracing", lambda: Tracing(provider))
    return exporter, provider


@KINDS
def test_a_span_of_each_call_and_its_context_in_the_metadata(kind, spans):
    exporter, provider = spans
    server = fake.Fake()
    server.failures = [(grpc.StatusCode.UNAVAILABLE, "queue full")]
    with (
        fake.serve(server) as address,
        kind(address, tracing=True) as client,
        provider.get_tracer("test").start_as_current_span("caller") as caller,
    ):
        client.predict("m", {"x": [[1, 2]]})
    metadata, refused, predict, _ = exporter.get_finished_spans()
    assert metadata.name == "tensorflow.serving.PredictionService/GetModelMetadata"
    assert predict.kind == trace.SpanKind.CLIENT
    assert dict(predict.attributes) == {
        "rpc.system.name": "grpc",
        "rpc.method": "tensorflow.serving.PredictionService/Predict",
        "rpc.response.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": int(address.removeprefix("127.0.0.1:")),
    }
    assert predict.status.status_code == trace.StatusCode.UNSET
    assert refused.attributes["rpc.response.status_code"] == "UNAVAILABLE"
    assert refused.status.status_code == trace.StatusCode.ERROR
    assert refused.status.description == "queue full"
    assert predict.parent.span_id == caller.get_span_context().span_id
    sent = [value[:-2] for key, value in server.metadata_seen if key == "traceparent"]
    of = caller.get_span_context().trace_id
    assert sent == [f"00-{of:032x}-{s.context.span_id:016x}-" for s in (refused, predict)]


def test_requests_that_go_together_have_the_callers_span_above_them(spans):
    exporter, provider = spans
    server = fake.Fake()
    server.output = "images"
    with (
        fake.serve(server) as address,
        Client(address, tracing=True) as client,
        provider.get_tracer("test").start_as_current_span("caller") as caller,
    ):
        client.generate("m", 100)
    *calls, _ = exporter.get_finished_spans()
    assert {span.parent.span_id for span in calls} == {caller.get_span_context().span_id}
    assert len(calls) == 5


def test_the_servers_span_goes_below_its_callers(spans):
    exporter, provider = spans
    above = f"00-{7:032x}-{9:016x}-01"

    async def answer(failure):
        manager = types.SimpleNamespace(serves=lambda name: True)
        api = Api(manager, Monitoring(), tracing=Tracing(provider))
        origin = Origin(
            "GRPC", "ipv4:10.0.0.7:4242", rpc="a.B/Predict", headers=[("traceparent", above)]
        )
        try:
            with api.measured("Predict", origin) as measured:
                measured.model = "m"
                with api.tracing.part("queue and run"):
                    pass
                if failure:
                    raise failure
        finally:
            api.close()

    asyncio.run(answer(None))
    with pytest.raises(StatusError):
        asyncio.run(answer(not_found("no such")))
    with pytest.raises(StatusError):
        asyncio.run(answer(ValueError("ours")))
    run, served, _, refused, _, failed = exporter.get_finished_spans()
    assert (served.context.trace_id, served.parent.span_id) == (7, 9)
    assert served.kind == trace.SpanKind.SERVER
    assert run.parent.span_id == served.context.span_id
    assert dict(served.attributes) == {
        "client.address": "10.0.0.7",
        "client.port": 4242,
        "gan_zoo.model": "m",
        "rpc.method": "a.B/Predict",
        "rpc.response.status_code": "OK",
        "rpc.system.name": "grpc",
    }
    # A caller's mistake is no error of the server.
    assert refused.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert refused.status.status_code == trace.StatusCode.UNSET
    assert failed.attributes["rpc.response.status_code"] == "INTERNAL"
    assert failed.status.status_code == trace.StatusCode.ERROR


def test_tracing_without_opentelemetry_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(serving.ServingError, match="pip install opentelemetry-api"):
        Client("localhost:1", tracing=True)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("localhost:8500", "localhost", 8500),
        ("ipv6:%5B::1%5D:4000", "::1", 4000),
        ("[::1]:4000", "::1", 4000),
        ("10.0.0.7", "10.0.0.7", None),
        ("unix:/run/server.sock", "unix:/run/server.sock", None),
        ("dns:///server.example:8500", "dns:///server.example:8500", None),
    ],
)
def test_addresses_are_split_where_they_name_one_host(address, host, port):
    found = endpoint("client", address)
    assert found.pop("client__address") == host
    assert found.pop("client__port", None) == port
    assert not found
