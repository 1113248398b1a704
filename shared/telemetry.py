"""What operators see of a service: log events with ids and never a body, trace context, counters."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

FRAMES_MAX: Final = 8
SERIES_KEPT_MAX: Final = 1_000
_TRACEPARENT: Final = re.compile(r"^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
_tracer: Tracer | None = None
_provider: TracerProvider | None = None

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
messages_handled = Counter(
    "recepta_messages_handled_total", "Messages taken, by what became of them", ["topic", "type", "result"]
)
batch_size = Histogram(
    "recepta_batch_messages", "Messages in one transaction", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 1000)
)
handler_seconds = Histogram("recepta_handler_seconds", "Time in one handler", ["type"], buckets=_SECONDS)
oldest_unhandled_seconds = Gauge(
    "recepta_oldest_unhandled_message_seconds", "Age of the oldest message that waits to be handled"
)
outbox_depth = Gauge("recepta_outbox_messages", "Messages that wait to be published")
outbox_age_seconds = Gauge(
    "recepta_outbox_oldest_seconds", "Age of the oldest message that waits to be published"
)
relay_active = Gauge("recepta_relay_active", "1 in the one process that publishes, 0 in those that stand by")
published = Counter("recepta_messages_published_total", "Messages that the broker confirmed", ["topic"])
dead_letters = Counter("recepta_dead_letters_total", "Messages buried", ["topic", "error"])
work_done = Counter("recepta_work_total", "Work rows by what became of them", ["kind", "result"])
request_outcomes = Counter("recepta_request_outcomes_total", "Requests by their outcome", ["outcome"])

Metric = TypeVar("Metric", Counter, Histogram)


# The few that every message counts in: the library makes texts of the labels and takes a lock each time.
@lru_cache(SERIES_KEPT_MAX)
def of(metric: Metric, *labels: str) -> Metric:
    """The series of a metric that has these labels."""
    return metric.labels(*labels)


def configure(service: str, instance: str, *, form: str = "json", level: str = "info") -> None:
    """Logs as JSON lines for machines or as text for a terminal; libraries speak through the same."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(service, instance),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Not cached: what a test captures would go past it, and a log line is rare.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _without_exception_text],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _form(form)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("shared").setLevel(level.upper())
    logging.getLogger("services").setLevel(level.upper())
    # It logs each reconnect several times over, as errors; what follows from them we say ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _named(service: str, instance: str) -> Any:
    def add(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        event["instance"] = instance
        return event

    return add


def _without_exception_text(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A library's traceback quotes what it choked on: keep the class and the place."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[1] is not None:
        event.update(failure(info[1]))
    return event


def _form(form: str) -> Any:
    if form == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return structlog.processors.JSONRenderer()


def failure(error: BaseException) -> dict[str, str]:
    """What a log may say of an error: its class, its code, where it was raised. Never its text."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    where = " > ".join(f"{Path(one.filename).name}:{one.lineno}" for one in frames)
    told = {"error": type(error).__name__, "where": where}
    for name in ("code", "sqlstate", "constraint_name"):
        found = getattr(error, name, None)
        if isinstance(found, str):
            told[name] = found
    return told


def trace_with(endpoint: str, service: str, instance: str) -> None:
    """Export spans to an OTLP endpoint. Imported only here: idle services need no SDK in memory."""
    global _tracer, _provider
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": service, "service.instance.id": instance})
    _provider = TracerProvider(resource=resource)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    _tracer = _provider.get_tracer("recepta")


def end_traces() -> None:
    """Send what spans there are, and make none any more."""
    global _tracer, _provider
    if _provider is not None:
        _provider.shutdown()
    _tracer = _provider = None


def new_traceparent() -> str:
    """The beginning of a trace, by W3C Trace Context."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def valid_traceparent(value: str | None) -> str | None:
    """A stranger's `traceparent` if it is one, else None."""
    return value if value is not None and _TRACEPARENT.match(value) else None


def traceparent() -> str | None:
    """Of the request or message in hand."""
    return _traceparent.get()


class _Bound:
    """The trace context of one message, and its ids in log events; no span is made of it.

    A class, because every message comes through here, and nested generators cost it three times as much.
    """

    __slots__ = ("_bound", "_known", "_parent", "_token")

    def __init__(self, parent: str | None, known: Mapping[str, str]) -> None:
        self._parent = parent
        self._known = known

    def __enter__(self) -> str | None:
        self._bound = structlog.contextvars.bind_contextvars(**self._known)
        self._token = _traceparent.set(self._parent)
        return self._parent

    def __exit__(self, *_: object) -> None:
        _traceparent.reset(self._token)
        structlog.contextvars.reset_contextvars(**self._bound)


def span(
    name: str, parent: str | None, *, kind: str = "consumer", **bound: str | None
) -> AbstractContextManager[str | None]:
    """Continue a trace; log events inside carry `bound`. Gives the `traceparent` for what goes out."""
    known = {key: value for key, value in bound.items() if value is not None}
    parent = valid_traceparent(parent)
    # Who makes no spans passes the context on as it came.
    return _Bound(parent, known) if _tracer is None else _exported(_tracer, name, parent, kind, known)


@contextmanager
def _exported(
    tracer: Tracer, name: str, parent: str | None, kind: str, known: dict[str, str]
) -> Iterator[str | None]:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    form = TraceContextTextMapPropagator()
    context = form.extract({"traceparent": parent} if parent else {})
    with tracer.start_as_current_span(
        name, context=context, kind=SpanKind[kind.upper()], attributes=known, record_exception=False
    ):
        carrier: dict[str, str] = {}
        form.inject(carrier)
        with _Bound(carrier.get("traceparent", parent), known) as current:
            yield current
