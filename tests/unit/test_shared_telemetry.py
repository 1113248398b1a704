"""What logs and traces may say."""

import io
import json
import logging
from collections.abc import Iterator

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
