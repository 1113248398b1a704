-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- Every write that was accepted, from acceptance to its outcome and seven days on.
CREATE TABLE request (
    request_id       uuid PRIMARY KEY,
    tenant_id        uuid NOT NULL,
    -- Whose idempotency keys these are: an OAuth client, or a tenant of the other dialect.
    client           text NOT NULL,
    source           text NOT NULL,
    idempotency_key  text,
    -- False once a refusal has freed the key for whatever comes next; never in a report from Kafka.
    holds_key        boolean NOT NULL DEFAULT true,
    method           text NOT NULL,
    path             text NOT NULL,
    content_digest   bytea NOT NULL,
    -- What was asked, and what rendering its answer needs besides the outcome.
    kind             text NOT NULL,
    context          text NOT NULL DEFAULT '{}',
    prescription_id  uuid,
    state            text NOT NULL DEFAULT 'PENDING',
    accepted_at      timestamptz NOT NULL,
    finished_at      timestamptz,
    response_status  int,
    response_headers text,
    response_body    bytea,
    CONSTRAINT request_source CHECK (source IN ('osigu', 'delphos', 'kafka', 'document')),
    CONSTRAINT request_state CHECK (state IN ('PENDING', 'SUCCEEDED', 'FAILED')),
    CONSTRAINT request_answered CHECK ((state = 'PENDING') = (response_status IS NULL))
);
-- One live request a key. Not on `state`: a success would then have to rewrite every index entry.
CREATE UNIQUE INDEX request_key_held ON request (client, source, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND holds_key;
CREATE INDEX request_newest_of_key ON request (client, idempotency_key, accepted_at DESC)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX request_finished_at ON request USING brin (finished_at);
-- Each row is updated once, with its answer: room beside it keeps that update off the indexes.
ALTER TABLE request SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);

-- Prescriptions as reads show them, of the issuing provider; a row only ever moves to a higher revision.
CREATE TABLE prescription_view (
    tenant_id         uuid NOT NULL,
    prescription_id   uuid NOT NULL,
    revision          bigint NOT NULL,
    version           bigint NOT NULL,
    status            text NOT NULL,
    partly_dispensed  boolean NOT NULL,
    -- Until when a pharmacy holds it: what is due by the clock is shown before its event comes.
    claim_expires_at  timestamptz,
    prescription_code text,
    patient_id        uuid NOT NULL,
    doctor_id         uuid NOT NULL,
    created_at        timestamptz NOT NULL,
    valid_until       timestamptz,
    state             bytea NOT NULL,
    PRIMARY KEY (tenant_id, prescription_id)
);
CREATE UNIQUE INDEX prescription_view_code ON prescription_view (prescription_code)
    WHERE prescription_code IS NOT NULL;
CREATE INDEX prescription_view_newest ON prescription_view (tenant_id, created_at DESC, prescription_id DESC);
CREATE INDEX prescription_view_patient ON prescription_view (tenant_id, patient_id, created_at DESC);
CREATE INDEX prescription_view_doctor ON prescription_view (tenant_id, doctor_id, created_at DESC);
ALTER TABLE prescription_view SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);

-- Dispensations as their pharmacy sees them: `tenant_id` is the pharmacy's, `owner_id` the issuing provider's.
-- `state` is the prescription without what a pharmacy never sees, and with this dispensation alone.
CREATE TABLE dispensation_view (
    tenant_id         uuid NOT NULL,
    dispensation_id   uuid NOT NULL,
    owner_id          uuid NOT NULL,
    prescription_id   uuid NOT NULL,
    prescription_code text NOT NULL,
    branch_id         uuid,
    revision          bigint NOT NULL,
    status            text NOT NULL,
    started_at        timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    state             bytea NOT NULL,
    PRIMARY KEY (tenant_id, dispensation_id)
);
CREATE INDEX dispensation_view_newest ON dispensation_view (tenant_id, started_at DESC, dispensation_id DESC);
CREATE INDEX dispensation_view_code ON dispensation_view (tenant_id, prescription_code);
ALTER TABLE dispensation_view SET (fillfactor = 70);

-- Final PDF copies: one for each leading page that a prescription may have, and each language.
CREATE TABLE document (
    tenant_id       uuid NOT NULL,
    prescription_id uuid NOT NULL,
    face            text NOT NULL,
    language        text NOT NULL,
    document_id     uuid NOT NULL,
    revision        bigint NOT NULL,
    sha256          text NOT NULL,
    content         bytea NOT NULL,
    made_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, prescription_id, face, language),
    CONSTRAINT document_face CHECK (face IN ('issued', 'voided', 'expired', 'dispensed'))
);
-- A PDF is compressed already.
ALTER TABLE document ALTER COLUMN content SET STORAGE EXTERNAL;

ALTER TABLE request ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON request USING (tenant_id = present_tenant());
ALTER TABLE prescription_view ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON prescription_view USING (tenant_id = present_tenant());
ALTER TABLE dispensation_view ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON dispensation_view USING (tenant_id = present_tenant());
ALTER TABLE document ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON document USING (tenant_id = present_tenant());

GRANT SELECT, INSERT, UPDATE ON request TO gateway;
GRANT SELECT ON prescription_view, dispensation_view, document TO gateway;
