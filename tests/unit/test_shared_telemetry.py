"""What logs and traces may say."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
import structlog

from shared import telemetry

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard output, with logs as a service writes them."""
    root, handlers = logging.getLogger(), list(logging.getLogger().handlers)
    caught = io.StringIO()
    monkeypatch.setattr("sys.stdout", caught)
    telemetry.configure("signing", "signing-0")
    yield caught
    root.handlers[:] = handlers
    structlog.reset_defaults()


def last(lines: io.StringIO) -> dict[str, str]:
    found: dict[str, str] = json.loads(lines.getvalue().splitlines()[-1])
    return found


def test_an_event_says_which_service_and_which_message(lines: io.StringIO) -> None:
    with telemetry.span("sealed", PARENT, ce_id="7", prescription_id=None):
        structlog.get_logger().warning("late", seconds=3)

    assert {"event": "late", "service": "signing", "instance": "signing-0", "ce_id": "7"}.items() <= last(
        lines
    ).items()
    assert "prescription_id" not in last(lines)


def test_an_error_in_a_log_has_its_class_and_its_place_and_not_its_words(lines: io.StringIO) -> None:
    try:
        raise ValueError("Maria has asthma")
    except ValueError as error:
        structlog.get_logger().error("failed", **telemetry.failure(error))
        logging.getLogger("some.library").error("Unhandled", exc_info=True)

    assert "asthma" not in lines.getvalue()
    assert last(lines)["error"] == "ValueError"
    assert "test_shared_telemetry.py" in last(lines)["where"]


def test_a_trace_is_passed_on_as_it_came() -> None:
    with telemetry.span("sealed", PARENT) as current:
        assert (current, telemetry.traceparent()) == (PARENT, PARENT)

    assert telemetry.traceparent() is None


@pytest.mark.parametrize(
    "value", [None, "", "00-0-0-01", PARENT.upper(), PARENT + "-x", PARENT.replace("4", "é")]
)
def test_what_is_no_trace_is_not_passed_on(value: str | None) -> None:
    with telemetry.span("sealed", value) as current:
        assert current is None


def test_a_new_trace_is_one() -> None:
    assert telemetry.valid_traceparent(telemetry.new_traceparent())


class Collector(BaseHTTPRequestHandler):
    """Takes spans as an OTLP collector does."""

    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:
        return None


def test_with_an_endpoint_a_span_is_exported_and_what_goes_out_is_its_child() -> None:
    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        telemetry.trace_with(f"http://127.0.0.1:{server.server_port}/v1/traces", "signing", "signing-0")
        with telemetry.span("sealed", PARENT, ce_id="7") as current:
            pass
        telemetry.end_traces()
    finally:
        server.shutdown()
        server.server_close()

    assert current is not None
    assert current[3:35] == PARENT[3:35]
    assert current[36:52] != PARENT[36:52]
    assert b"sealed" in Collector.bodies[0]
