-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- What clients see and nobody has signed: its checks go by what is so now, so a change of the patient's facts, of what
-- is in force or of the knowledge base finds it here. What is issued in one request never comes by.
CREATE TABLE unsigned_prescription (
    tenant_id  uuid NOT NULL,
    patient_id uuid NOT NULL,
    id         uuid NOT NULL,
    CONSTRAINT unsigned_prescription_pkey PRIMARY KEY (tenant_id, patient_id, id)
);

-- The knowledge base in use, as far as we were told; no row before the first word of one.
CREATE TABLE knowledge_base (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version    text NOT NULL,
    updated_at timestamptz NOT NULL
);
