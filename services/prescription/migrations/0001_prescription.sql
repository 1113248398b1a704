-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- A patient as checks see them: the directory's facts of the highest version that came by, and a number that moves
-- whenever one of their prescriptions comes into force or leaves it.
CREATE TABLE patient (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL,
    facts_version    int NOT NULL,
    facts            json NOT NULL,
    in_force_version int NOT NULL DEFAULT 0,
    CONSTRAINT patient_pkey PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80);

-- Whether a doctor may sign; one of whom nothing was told may.
CREATE TABLE doctor (
    tenant_id uuid NOT NULL,
    id        uuid NOT NULL,
    version   int NOT NULL,
    active    boolean NOT NULL,
    CONSTRAINT doctor_pkey PRIMARY KEY (tenant_id, id)
);

-- `items_digest` is equal where the items say the same: of equal ones in force a check looks at the newest alone.
-- `content` (items, people, diagnoses) is written once and only moves with content_version; `state` is all the rest,
-- rewritten by each change. None of what an update changes is indexed, so that it stays on its page.
CREATE TABLE prescription (
    tenant_id      uuid NOT NULL,
    id             uuid NOT NULL,
    patient_id     uuid NOT NULL,
    doctor_id      uuid NOT NULL,
    code           text COLLATE "C",
    status         text NOT NULL,
    hidden         boolean NOT NULL,
    revision       int NOT NULL,
    in_force_until timestamptz,
    items_digest   bytea NOT NULL,
    content        json NOT NULL,
    state          json NOT NULL,
    CONSTRAINT prescription_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT prescription_code_once UNIQUE (code)
) WITH (fillfactor = 60);
CREATE INDEX prescription_in_force ON prescription (tenant_id, patient_id, items_digest, id DESC)
 WHERE in_force_until IS NOT NULL;

-- What happened, as it was told in one commit; append only. It outlives a refused issue, of which nothing else is left.
CREATE TABLE history (
    tenant_id       uuid NOT NULL,
    prescription_id uuid NOT NULL,
    revision        int NOT NULL, -- of the first entry
    entries         json NOT NULL,
    CONSTRAINT history_pkey PRIMARY KEY (tenant_id, prescription_id, revision)
);

-- The secret behind finding keys: made once, so that a key means the same in every process and after every restart.
CREATE TABLE installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret   bytea NOT NULL
);
INSERT INTO installation (secret)
VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
