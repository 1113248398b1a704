-- Documents as they were made, and deliveries with what is to be delivered.
-- A new database has nobody to wait for; a lock that is not had at once is a mistake.
SET LOCAL lock_timeout = '5s';

CREATE TABLE document (
    tenant_id       uuid        NOT NULL,
    prescription_id uuid        NOT NULL,
    -- Of all that is printed: status and language are part of it, so one prescription has several.
    printed_sha256  bytea       NOT NULL,
    pdf             bytea       NOT NULL,
    made_at         timestamptz NOT NULL,
    CONSTRAINT document_key PRIMARY KEY (tenant_id, prescription_id, printed_sha256)
);

-- A PDF is compressed; Postgres would try again each time.
ALTER TABLE document ALTER COLUMN pdf SET STORAGE EXTERNAL;

CREATE TABLE delivery (
    tenant_id       uuid        NOT NULL,
    id              uuid        NOT NULL,
    prescription_id uuid        NOT NULL,
    state           text        NOT NULL DEFAULT 'waiting',
    attempts        integer     NOT NULL DEFAULT 0,
    requested_at    timestamptz NOT NULL,
    correlation     text,
    -- Given before the first attempt, and never changed: a repeated mail is known by it.
    message_id      text,
    -- Both are needed until the delivery has ended, and are forgotten then.
    email_address   text,
    printed         text,
    ended_at        timestamptz,
    reason          text,
    CONSTRAINT delivery_key PRIMARY KEY (tenant_id, id),
    CONSTRAINT delivery_message_id UNIQUE (message_id),
    CONSTRAINT delivery_state CHECK (state IN ('waiting', 'delivered', 'failed')),
    CONSTRAINT delivery_forgets CHECK (
        (state = 'waiting') = (email_address IS NOT NULL AND printed IS NOT NULL AND ended_at IS NULL)
    )
);

CREATE INDEX delivery_prescription ON delivery (tenant_id, prescription_id);
