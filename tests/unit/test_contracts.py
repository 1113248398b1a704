"""The contracts hold: what is committed is what the code says, and an old reader reads on."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest

from contracts import asyncapi, golden
from contracts.catalog import SERVICES, TOPICS
from contracts.compatibility import breaking_changes
from contracts.message import Envelope, Message, Unreadable

MESSAGES = [message for topic in TOPICS.values() for message in topic.messages]
DOCUMENTS = golden.documents()
NAMES = [message.ce_type for message in MESSAGES]


def test_no_schema_has_changed_in_a_way_that_an_old_reader_cannot_bear():
    assert golden.broken() == [], golden.ADVICE


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_committed_is_what_the_code_says(path):
    assert path.read_text() == golden.text(DOCUMENTS[path]), "run `make golden` and read the diff"


def test_nothing_is_committed_that_the_code_no_longer_says():
    assert set((golden.HERE / "schemas").glob("*")) <= set(DOCUMENTS)


@pytest.mark.parametrize("message", MESSAGES, ids=NAMES)
def test_every_message_has_an_example_that_is_read_and_written_back(message):
    for path in asyncapi.examples(message):
        read = message.model_validate_json(path.read_bytes())
        assert message.model_validate_json(read.to_json()) == read
        jsonschema.validate(json.loads(read.to_json()), asyncapi.schema(message))
    assert asyncapi.examples(message)


@pytest.mark.parametrize("message", MESSAGES, ids=NAMES)
def test_every_message_is_frozen_and_says_what_it_means(message):
    assert message.model_config["frozen"]
    assert message.__doc__.strip()
    assert message.topic in TOPICS


@pytest.mark.parametrize("message", MESSAGES, ids=NAMES)
def test_a_member_from_a_later_release_is_ignored(message):
    example = json.loads(asyncapi.examples(message)[0].read_text())

    assert message.model_validate(example | {"from_the_future": 1}) == message.model_validate(example)


def test_a_type_travels_on_one_topic_only():
    assert len(NAMES) == len(set(NAMES))


def test_only_services_and_the_outside_world_write_and_read():
    outside = {"pharmacy systems", "upstream systems"}
    for topic in TOPICS.values():
        assert topic.producers | topic.consumers <= set(SERVICES) | outside
        assert bool((topic.producers | topic.consumers) & outside) == topic.public


@pytest.mark.parametrize("topic", [topic for topic in TOPICS.values() if topic.public], ids=lambda t: t.name)
def test_no_public_message_names_a_tenant(topic):
    for message in topic.messages:
        assert "tenant_id" not in message.model_fields


def _changed(change) -> list[str]:
    old = asyncapi.schema(TOPICS["dispense-events-v1"].messages[0])
    new = copy.deepcopy(old)
    change(new)
    return breaking_changes(old, new)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["properties"].pop("version"),
        lambda s: s["properties"].update(renamed=s["properties"].pop("version")),
        lambda s: s["properties"]["status"]["enum"].append("lost"),
        lambda s: s["properties"]["status"]["enum"].remove("issued"),
        lambda s: s["properties"]["version"].update(minimum=2),
        lambda s: s["properties"]["version"].update(type="string"),
        lambda s: s["required"].append("extra"),
        lambda s: s["required"].remove("version"),
    ],
)
def test_a_change_that_breaks_a_reader_is_named(change):
    assert _changed(change)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["properties"].update(later={"type": "string", "default": ""}),
        lambda s: s.update(description="Said better."),
        lambda s: s["properties"]["version"].update(title="Other"),
    ],
)
def test_a_change_that_readers_can_bear_passes(change):
    assert _changed(change) == []


HEADERS = [
    ("ce_id", b"1"),
    ("ce_type", b"recepta.dispense.released.v1"),
    ("ce_source", b"/prescription"),
    ("ce_time", b"2026-06-25T16:00:00Z"),
    ("ce_specversion", b"1.0"),
]


def test_an_envelope_is_read_back_as_it_was_written():
    envelope = Envelope.read([*HEADERS, ("correlationid", b"c"), ("traceparent", b"00-aa-bb-01")])

    assert Envelope.read(envelope.headers()) == envelope


@pytest.mark.parametrize(
    "extra", [("stranger", b"\xff"), ("stranger", None), ("correlationid", b"\xff"), ("ce_id", b"2")]
)
def test_a_strangers_header_does_not_matter(extra):
    assert Envelope.read([*HEADERS, extra]).id == "1"


@pytest.mark.parametrize("name", [name for name, _ in HEADERS])
def test_without_its_headers_a_record_is_unreadable(name):
    with pytest.raises(Unreadable):
        Envelope.read([header for header in HEADERS if header[0] != name])


@pytest.mark.parametrize("bad", [("ce_id", b"\xff"), ("ce_time", b"noon"), ("ce_specversion", b"0.3")])
def test_a_header_that_cannot_be_read_makes_the_record_unreadable(bad):
    with pytest.raises(Unreadable):
        Envelope.read([bad, *[header for header in HEADERS if header[0] != bad[0]]])


def test_every_message_class_says_its_key():
    for message in MESSAGES:
        example = message.model_validate_json(asyncapi.examples(message)[0].read_bytes())
        assert isinstance(example, Message)
        assert example.key
