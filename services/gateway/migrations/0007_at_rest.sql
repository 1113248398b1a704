-- What says who a patient is becomes unreadable without GATEWAY_DATA_KEY; consent becomes a record of its own.
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

-- Values in the clear cannot be encrypted in SQL, and must not stay. No release has written any.
DO $$
BEGIN
    IF EXISTS (SELECT FROM patient) OR EXISTS (SELECT FROM request) OR EXISTS (SELECT FROM prescription_view)
       OR EXISTS (SELECT FROM document) THEN
        RAISE EXCEPTION 'this database holds patients in the clear, from before encryption at rest: start with a new one';
    END IF;
END
$$;

-- The keys of sealed values, encrypted under GATEWAY_DATA_KEY. A sealed value begins with its key's id.
CREATE TABLE data_key (
    key_id      integer      GENERATED ALWAYS AS IDENTITY CONSTRAINT data_key_pkey PRIMARY KEY,
    purpose     text         NOT NULL CONSTRAINT data_key_purpose CHECK (purpose IN ('seal', 'look-up')),
    wrapped     bytea        NOT NULL,
    created_at  timestamptz  NOT NULL,
    used_from   timestamptz  NOT NULL
);
CREATE UNIQUE INDEX data_key_one_looks_up ON data_key (purpose) WHERE purpose = 'look-up';

-- Sealed: contracts.values.Patient as JSON. Found by a keyed hash of the document's number.
ALTER TABLE patient DROP CONSTRAINT patient_document_key;
ALTER TABLE patient DROP COLUMN document_number;
ALTER TABLE patient ADD COLUMN document_hash bytea;
ALTER TABLE patient ADD CONSTRAINT patient_document_key UNIQUE (tenant_id, document_hash, document_type);
ALTER TABLE patient ALTER COLUMN record TYPE bytea USING convert_to(record, 'UTF8');

-- Sealed, as is response_body, which was bytea before.
ALTER TABLE request ALTER COLUMN context DROP DEFAULT;
ALTER TABLE request ALTER COLUMN context TYPE bytea USING convert_to(context, 'UTF8');

-- The patient's consent, as the first success of an issue found it (osigu-dialect 5.4). `record`, sealed, says
-- who gave it to whom through which path, and what was said.
CREATE TABLE consent (
    tenant_id        uuid         NOT NULL REFERENCES tenant,
    prescription_id  uuid         NOT NULL,
    patient_id       uuid         NOT NULL,
    given_at         timestamptz  NOT NULL,
    record           bytea        NOT NULL,
    CONSTRAINT consent_pkey PRIMARY KEY (tenant_id, prescription_id)
);
CREATE INDEX consent_by_patient ON consent (tenant_id, patient_id, given_at);
ALTER TABLE consent ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON consent USING (tenant_id = present_tenant());

-- What is on its way holds patients too, of every provider: requests add to it and never read it.
REVOKE SELECT ON outbox FROM gateway;
