"""The AsyncAPI 3 documents, drawn from the catalogue: the whole system, and the public topics alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from contracts.catalog import TOPICS, Topic
from contracts.message import Message

EXAMPLES: Final = Path(__file__).parent / "examples"
_HEADERS: Final = {
    "ce_id": "The id of the message; readers drop one that they have seen.",
    "ce_specversion": "1.0.",
    "ce_type": "What kind of message it is.",
    "ce_source": "Who says it.",
    "ce_subject": "What it is about.",
    "ce_time": "When it became true: RFC 3339, UTC.",
    "content-type": "application/json.",
    "traceparent": "W3C trace context.",
}
_INTERNAL_HEADERS: Final = {
    "correlationid": "The request that it belongs to.",
    "causationid": "The message that caused it.",
    "tenantid": "Whose it is.",
}
_SHARED: Final = "#/components/schemas/{model}"
_INBOUND_HEADERS: Final = {"authorization": "`Bearer <access token>` or `ApiKey <key>`: proves the sender."}


def document(*, public: bool) -> dict[str, Any]:
    """All topics, or those that are a contract with systems that we do not run."""
    topics = [topic for topic in TOPICS.values() if topic.public or not public]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Recepta, the public topics" if public else "Recepta",
            "version": "1.0.0",
            "description": "E-prescribing over Kafka: CloudEvents 1.0 in binary mode, JSON values.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": "kafka.example.org:9092", "protocol": "kafka"}},
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": dict(_operations(topics)),
        "components": {
            "messages": {message.ce_type: _message(topic, message) for topic, message in _pairs(topics)},
            "schemas": {
                name: part for _, message in _pairs(topics) for name, part in _parts(message).items()
            },
        },
    }


def _parts(message: type[Message]) -> dict[str, Any]:
    parts: dict[str, Any] = _schema_with(message, _SHARED).get("$defs", {})
    return parts


def _pairs(topics: Iterable[Topic]) -> Iterable[tuple[Topic, type[Message]]]:
    return ((topic, message) for topic in topics for message in topic.messages)


def _channel(topic: Topic) -> dict[str, Any]:
    kept = "for ever, the newest of each key" if topic.kept is None else f"{topic.kept.days} days"
    return {
        "address": topic.name,
        "description": f"{topic.purpose} Kept {kept}.",
        "messages": {m.ce_type: {"$ref": f"#/components/messages/{m.ce_type}"} for m in topic.messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": ["compact" if topic.compacted else "delete"]},
            }
        },
    }


def _operations(topics: Iterable[Topic]) -> Iterable[tuple[str, dict[str, Any]]]:
    for topic in topics:
        for action, systems in (("send", topic.producers), ("receive", topic.consumers)):
            for system in sorted(systems):
                name = f"{system.replace(' ', '-')}-{action}s-{topic.name}"
                yield (
                    name,
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{topic.name}"},
                        "summary": f"{system} {action}s {topic.name}",
                        "tags": [{"name": system}],
                    },
                )


def _message(topic: Topic, message: type[Message]) -> dict[str, Any]:
    headers = (
        _HEADERS | ({} if topic.public else _INTERNAL_HEADERS) | (_INBOUND_HEADERS if topic.inbound else {})
    )
    required = ["ce_id", "ce_specversion", "ce_type", "ce_source", "ce_time"]
    return {
        "name": message.ce_type,
        "title": message.__name__,
        "summary": (message.__doc__ or "").splitlines()[0],
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": text} for name, text in headers.items()},
            "required": required + (["authorization"] if topic.inbound else []),
        },
        "payload": {k: v for k, v in _schema_with(message, _SHARED).items() if k != "$defs"},
        "examples": [
            {"name": path.stem, "payload": json.loads(path.read_text())} for path in examples(message)
        ],
    }


def examples(message: type[Message]) -> list[Path]:
    return sorted((EXAMPLES / message.ce_type).glob("*.json"))


def schema(message: type[Message]) -> dict[str, Any]:
    """The JSON Schema of a message's value, as it is written, whole in itself."""
    return _schema_with(message, "#/$defs/{model}")


def _schema_with(message: type[Message], references: str) -> dict[str, Any]:
    return message.model_json_schema(mode="serialization", ref_template=references)
