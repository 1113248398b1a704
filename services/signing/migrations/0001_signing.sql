-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- The public half of every key that has sealed: kept for ever, because old seals are verified with old keys.
CREATE TABLE seal_key (
    key_id     text COLLATE "C" PRIMARY KEY, -- base64url of the SHA-256 of the leaf certificate
    tenant_id  uuid NOT NULL,
    algorithm  text NOT NULL,
    jwk        text NOT NULL, -- RFC 7517, as it is published
    not_before timestamptz NOT NULL,
    not_after  timestamptz NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now()
);

-- Each seal once, with what opens its digests. Bytes are bytea: jsonb would keep their meaning and not them.
-- Disclosures and salts are personal data and go together; the rest tells nobody anything without them.
-- No foreign key to seal_key: every seal is written in one statement with its key, and the check would lock
-- the one row that all seals of a provider share.
CREATE TABLE seal (
    tenant_id         uuid NOT NULL,
    prescription_id   uuid NOT NULL,
    signature_version int NOT NULL,
    content_digest    bytea NOT NULL, -- SHA-256 over the groups in normal form: what asks again is known by it
    profile           text NOT NULL,
    key_id            text COLLATE "C" NOT NULL,
    protected         bytea NOT NULL,
    payload           bytea NOT NULL,
    signature         bytea NOT NULL,
    disclosures       bytea NOT NULL, -- canonical JSON
    sealed_at         timestamptz NOT NULL,
    CONSTRAINT seal_once PRIMARY KEY (tenant_id, prescription_id, signature_version, content_digest)
);
