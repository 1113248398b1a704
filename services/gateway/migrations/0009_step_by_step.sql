-- What lists of the step-by-step dialect are filtered by, and the history of each prescription.
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

ALTER TABLE prescription_view ADD COLUMN origin text NOT NULL DEFAULT 'manual';
ALTER TABLE prescription_view ADD COLUMN consultation_id uuid;

-- Pages and totals come from an index alone. `origin` never changes, so it costs an update nothing here.
DROP INDEX prescription_view_newest;
CREATE INDEX prescription_view_newest ON prescription_view (tenant_id, created_at DESC, prescription_id DESC)
    INCLUDE (origin);
CREATE INDEX prescription_view_status ON prescription_view
    (tenant_id, status, created_at DESC, prescription_id DESC) INCLUDE (origin);
CREATE INDEX prescription_view_consultation ON prescription_view (tenant_id, consultation_id, created_at DESC)
    WHERE consultation_id IS NOT NULL;
-- Those that the clock may have expired before their event has come: few, and found without the others.
CREATE INDEX prescription_view_due ON prescription_view (tenant_id, valid_until) WHERE status = 'submitted';

-- What happened to a prescription, as it was told; nothing here is ever changed. `entry`, sealed, is
-- contracts.values.HistoryEntry as JSON.
CREATE TABLE prescription_history (
    tenant_id        uuid    NOT NULL,
    prescription_id  uuid    NOT NULL,
    revision         bigint  NOT NULL,
    action           text    NOT NULL,
    entry            bytea   NOT NULL,
    CONSTRAINT prescription_history_pkey PRIMARY KEY (tenant_id, prescription_id, revision)
);
ALTER TABLE prescription_history ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON prescription_history USING (tenant_id = present_tenant());
GRANT SELECT ON prescription_history TO gateway;

-- A document that is not signed yet is not final: its newest copy replaces the one before.
ALTER TABLE document DROP CONSTRAINT document_face;
ALTER TABLE document ADD CONSTRAINT document_face
    CHECK (face IN ('issued', 'voided', 'expired', 'dispensed', 'draft'));
