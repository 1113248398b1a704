-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- Each message that was handled, by its id, for longer than any topic keeps it.
CREATE TABLE inbox (
    id          text COLLATE "C" PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_received_at ON inbox USING brin (received_at);
ALTER TABLE inbox SET (
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0.05
);

-- What is to be published, in order; a row goes when the broker has confirmed it.
CREATE TABLE outbox (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    key        bytea,
    headers    text NOT NULL,
    value      bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Rows live for milliseconds: neither compressed nor, below a page, moved out of line; swept often.
ALTER TABLE outbox ALTER COLUMN value SET STORAGE EXTERNAL;
ALTER TABLE outbox SET (
    toast_tuple_target = 8160,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 100000
);

-- What the broker will never take: kept for an operator, so that it stops nobody else.
CREATE TABLE outbox_refused (
    seq        bigint PRIMARY KEY,
    topic      text NOT NULL,
    key        bytea,
    headers    text NOT NULL,
    value      bytea,
    error      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A key of a topic whose events are buried until replay. Consumer and replay both lock this row.
CREATE TABLE grave (
    topic     text NOT NULL,
    key       bytea NOT NULL,
    buried_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, key)
);
CREATE TABLE grave_record (
    seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic         text NOT NULL,
    key           bytea NOT NULL,
    partition     int NOT NULL,
    record_offset bigint NOT NULL,
    recorded_at   timestamptz NOT NULL,
    headers       text NOT NULL,
    value         bytea,
    error         text NOT NULL,
    buried_at     timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (topic, key) REFERENCES grave (topic, key)
);
CREATE INDEX grave_record_in_order ON grave_record (topic, key, seq);

-- What is to be done at a time, or outside: leased, done, and deleted with its result.
CREATE TABLE work (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL,
    key             text NOT NULL,
    tenant_id       uuid NOT NULL,
    prescription_id uuid,
    payload         text NOT NULL DEFAULT '{}',
    version         bigint NOT NULL DEFAULT 0,
    attempts        int NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    leased_until    timestamptz,
    failed_at       timestamptz,
    error           text,
    CONSTRAINT work_kind_key UNIQUE (kind, key)
);
CREATE INDEX work_due ON work (kind, due_at) WHERE failed_at IS NULL;
ALTER TABLE work SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
