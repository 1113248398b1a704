"""Headers as the outbox keeps them, and topics as the catalogue makes them."""

from hypothesis import given
from hypothesis import strategies as some

from contracts.catalog import PARTITIONS, TOPICS
from shared import outbox, topics

HEADERS = some.lists(some.tuples(some.text(max_size=20), some.none() | some.binary(max_size=50)), max_size=20)


@given(HEADERS)
def test_every_byte_of_a_header_comes_back(headers: list[tuple[str, bytes | None]]) -> None:
    assert outbox.unpack(outbox.pack(headers)) == headers


def test_what_outsiders_write_bears_the_brokers_time() -> None:
    made = {shape.name: shape for shape in topics.shapes()}

    for name, topic in TOPICS.items():
        settings = made[name].settings
        assert (settings.get("message.timestamp.type") == "LogAppendTime") == topic.inbound


def test_topics_keep_and_take_what_the_design_says() -> None:
    made = {shape.name: shape.settings for shape in topics.shapes()}
    mebibyte = 1024 * 1024

    for name, topic in TOPICS.items():
        assert made[name]["max.message.bytes"] == str((1 if topic.public else 8) * mebibyte)
        if not topic.public and not topic.compacted:
            assert made[name]["retention.ms"] == str(7 * 24 * 3_600 * 1_000)
        if topic.dead in made:
            assert made[topic.dead]["max.message.bytes"] == str(9 * mebibyte)


def test_every_topic_that_somebody_of_ours_reads_has_its_dead_letters() -> None:
    made = {shape.name: shape for shape in topics.shapes()}

    assert "prescription-events-v1-dead" in made
    assert "dispense-reports-v1-dead" in made
    assert "dispense-events-v1-dead" not in made
    assert all(made[name].partitions == PARTITIONS for name in TOPICS)


def test_no_topic_holds_a_compression_that_a_reader_may_lack() -> None:
    assert {shape.settings["compression.type"] for shape in topics.shapes()} == {"uncompressed"}
