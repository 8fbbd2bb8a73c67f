"""OpenTelemetry spans of calls, in the server and in the client, once they are asked for.

Names and attributes follow OpenTelemetry's conventions for RPC. The context goes with a call in the
metadata of gRPC or the headers of HTTP, in the form of the global propagator (`traceparent`).
"""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

# What is the server's own failure; the rest is its caller's.
_SERVER_ERRORS = {
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
}
Metadata = Sequence[tuple[str, Any]]
# "host:port", and gRPC's "ipv4:127.0.0.1:8500" and "ipv6:%5B::1%5D:8500".
_HOST_AND_PORT = re.compile(r"(?:ipv[46]:)?(?:%5B|\[)?([^/\]%]+?)(?:%5D|\])?:(\d+)")


def endpoint(side: str, address: str) -> dict[str, Any]:
    """Attributes of an address: `side`, "client" or "server", with its host and its port."""
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None:
        return {f"{side}__address": address}
    return {f"{side}__address": found[1], f"{side}__port": int(found[2])}


class Tracing:
    """Makes spans.

    Args:
        provider: OpenTelemetry's TracerProvider; None for the global one.

    Raises:
        ImportError: opentelemetry-api is not installed.
    """

    def __init__(self, provider: Any = None):
        from opentelemetry import propagate, trace

        self._propagate, self._trace = propagate, trace
        self._provider = provider
        self._tracer = trace.get_tracer("gan_zoo.serving", tracer_provider=provider)

    @contextlib.contextmanager
    def served(self, name: str, headers: Metadata, **attributes: Any) -> Iterator["Span"]:
        """A call that the server answers, below the span that its headers name."""
        context = self._propagate.extract({key: v for key, v in headers if isinstance(v, str)})
        kind = self._trace.SpanKind.SERVER
        with self._start(name, kind, attributes, context) as span:
            yield Span(span, self._trace, _SERVER_ERRORS)

    @contextlib.contextmanager
    def called(self, name: str, **attributes: Any) -> Iterator[tuple["Span", Metadata]]:
        """A call that the client makes, and the metadata that carry its context."""
        with self._start(name, self._trace.SpanKind.CLIENT, attributes) as span:
            carrier: dict[str, str] = {}
            self._propagate.inject(carrier)
            yield Span(span, self._trace), tuple(carrier.items())

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part of the call that goes on."""
        with self._start(name, self._trace.SpanKind.INTERNAL, {}):
            yield

    def close(self) -> None:
        """Sends what has not been sent."""
        if self._provider is not None:
            self._provider.shutdown()

    def _start(self, name: str, kind: Any, attributes: dict[str, Any], context: Any = None):
        # The status of the call says what is an error, not the exception.
        return self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes={key.replace("__", "."): value for key, value in attributes.items()},
            record_exception=False,
            set_status_on_exception=False,
        )


class Span:
    """A call's span."""

    def __init__(self, span: Any, trace: Any, errors: set[str] | None = None):
        self._span, self._trace, self._errors = span, trace, errors

    def end(self, status: str, message: str = "", **attributes: Any) -> None:
        """Notes how the call ended.

        Args:
            status: a gRPC status, such as "NOT_FOUND".
            message: its message.
            attributes: more of them; a double underscore stands for a full stop.
        """
        for key, value in attributes.items():
            self._span.set_attribute(key.replace("__", "."), value)
        self._span.set_attribute("rpc.response.status_code", status)
        if status != "OK" and (self._errors is None or status in self._errors):
            self._span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, message))


def exporting(endpoint: str) -> Tracing:
    """Returns what sends spans to an OTLP collector over gRPC.

    The service's name is OTEL_SERVICE_NAME, or gan-zoo. OpenTelemetry's other environment variables
    are respected.

    Args:
        endpoint: its address, as http://localhost:4317 or https://...

    Raises:
        ImportError: the `otel` extra is not installed.
    """
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "gan-zoo"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)
