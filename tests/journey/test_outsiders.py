"""What we write is read by a client and a CloudEvents SDK that share no code with ours."""

from __future__ import annotations

import asyncio
import time

import orjson
from cloudevents.core.bindings import kafka as cloudevents
from confluent_kafka import Consumer, Message, TopicPartition

from contracts.catalog import TOPICS
from tests.clients import mails
from tests.infrastructure import until

CLASSES = {message.ce_type: message for topic in TOPICS.values() for message in topic.messages}

# By these at least one prescription travels that is mailed, dispensed and printed.
ITS_TYPES = {
    *("recepta.prescription.issue.v1", "recepta.command.succeeded.v1", "recepta.prescription.changed.v1"),
    *("recepta.prescription.safety-check-requested.v1", "recepta.safety-check.completed.v1"),
    *("recepta.prescription.seal-requested.v1", "recepta.signing.prescription-sealed.v1"),
    *("recepta.prescription.resend.v1", "recepta.prescription.delivery-requested.v1"),
    "recepta.notification.delivery-succeeded.v1",
    *("recepta.prescription.start-dispensation.v1", "recepta.prescription.complete-dispensation.v1"),
    *("recepta.dispense.released.v1", "recepta.dispense.started.v1", "recepta.dispense.completed.v1"),
}


def written_since(bootstrap: str, moment_ms: int) -> list[Message]:
    """Every record of every topic from a moment on, up to where each partition ends now, by librdkafka."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "outsider", "enable.partition.eof": True}
        | {"enable.auto.commit": False}
    )
    places = [
        TopicPartition(topic.name, number, moment_ms)
        for topic in TOPICS.values()
        for number in range(topic.partitions)
    ]
    records: list[Message] = []
    try:
        consumer.assign(consumer.offsets_for_times(places, timeout=30))
        ends = 0
        while ends < len(places):
            one = consumer.poll(30)
            assert one is not None, "the broker said nothing for half a minute"
            if one.error() is None:
                records.append(one)
            else:
                ends += 1
    finally:
        consumer.close()
    return records


def decoded(record: Message) -> cloudevents.BaseCloudEvent:
    headers = {name: value or b"" for name, value in record.headers() or []}
    return cloudevents.from_binary_event(cloudevents.KafkaMessage(headers, record.key(), record.value()))


async def test_every_message_of_a_journey_is_a_cloudevent_to_others_too(platform, clinic, pharmacy):
    began_ms = int(time.time() * 1000)
    issued = await clinic.issue()
    patient = (await clinic.read(issued["prescription_id"]))["patient"]
    await clinic.post(f"/ehr/v1/prescriptions/{issued['prescription_id']}/resend", {"channel": "EMAIL"})
    started = (await pharmacy.start(issued["prescription_code"])).json()
    await pharmacy.complete(started["dispensation_id"])
    folder = platform.env["RECEPTA_MAIL_DIR"]
    await until(lambda: mails(folder, patient["email_address"]), seconds=30)

    async def all_is_said() -> bool:
        nonlocal records
        records = await asyncio.to_thread(written_since, platform.kafka.bootstrap, began_ms)
        return {dict(one.headers())["ce_type"].decode() for one in records} >= ITS_TYPES

    records: list[Message] = []
    await until(all_is_said, seconds=60)
    for record in records:
        event = decoded(record)
        kind = CLASSES[event.get_type()]
        message = kind.model_validate_json(record.value())
        assert record.topic() == kind.topic
        assert event.get_specversion() == "1.0"
        assert event.get_datacontenttype() == "application/json"
        assert event.get_id()
        assert event.get_source() == kind.source
        assert event.get_subject() == message.subject
        assert event.get_time().tzinfo is not None
        assert event.get_data() == orjson.loads(record.value())
        assert record.key() == message.key.encode()
