-- Consultations and templates as reads show them; a row only ever moves to a higher version.
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

-- Consultations come over Kafka too, and are refused in the other dialect than reports.
ALTER TABLE request DROP CONSTRAINT request_source;
ALTER TABLE request ADD CONSTRAINT request_source
    CHECK (source IN ('osigu', 'delphos', 'kafka', 'consultation', 'document'));

-- `state`, sealed, is contracts.values.Consultation as JSON: the words of a consultation are a patient's.
CREATE TABLE consultation_view (
    tenant_id        uuid    NOT NULL,
    consultation_id  uuid    NOT NULL,
    version          bigint  NOT NULL,
    state            bytea   NOT NULL,
    CONSTRAINT consultation_view_pkey PRIMARY KEY (tenant_id, consultation_id)
);
ALTER TABLE consultation_view ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON consultation_view USING (tenant_id = present_tenant());
GRANT SELECT ON consultation_view TO gateway;

-- `state` is contracts.values.Template as JSON, which speaks of no patient. A deleted one stays, so that what is
-- told late does not bring it back.
CREATE TABLE template_view (
    tenant_id    uuid    NOT NULL,
    template_id  uuid    NOT NULL,
    version      bigint  NOT NULL,
    name_folded  text    NOT NULL,
    deleted      boolean NOT NULL,
    state        text    NOT NULL,
    CONSTRAINT template_view_pkey PRIMARY KEY (tenant_id, template_id)
);
CREATE INDEX template_view_by_name ON template_view (tenant_id, name_folded COLLATE "C", template_id)
    WHERE NOT deleted;
ALTER TABLE template_view ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON template_view USING (tenant_id = present_tenant());
GRANT SELECT ON template_view TO gateway;
