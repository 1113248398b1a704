"""The relay's choice of partitions, beside that of the Kafka client that everybody else uses."""

from __future__ import annotations

from uuid import UUID

from aiokafka.partitioner import DefaultPartitioner

from shared.relay import partition_of

PARTITIONS = list(range(12))


def test_a_key_goes_to_the_partition_where_every_other_client_looks_for_it():
    keys = [str(UUID(int=number << 80)).encode() for number in range(200)]

    chosen = [partition_of(key, PARTITIONS, PARTITIONS) for key in keys]

    assert chosen == [DefaultPartitioner()(key, PARTITIONS, PARTITIONS) for key in keys]
    assert set(chosen) == set(PARTITIONS)


def test_what_has_no_key_goes_where_somebody_leads():
    assert {partition_of(None, PARTITIONS, [3, 4]) for _ in range(50)} <= {3, 4}
    assert partition_of(None, PARTITIONS, []) in PARTITIONS
