-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- The knowledge bases that checks have been made with: the last one begun is in use.
CREATE TABLE knowledge_base (
    version  text COLLATE "C" NOT NULL,
    begun_at timestamptz NOT NULL,
    CONSTRAINT knowledge_base_pkey PRIMARY KEY (version)
);

-- The verdict on each content that was asked about, with the three versions it was asked with.
CREATE TABLE check_result (
    tenant_id              uuid NOT NULL,
    prescription_id        uuid NOT NULL,
    content_version        int NOT NULL,
    facts_version          int NOT NULL,
    in_force_version       bigint NOT NULL,
    knowledge_base_version text NOT NULL,
    state                  text NOT NULL,
    verdict                text NOT NULL, -- contracts.values.Verdict
    checked_at             timestamptz NOT NULL,
    CONSTRAINT check_result_pkey PRIMARY KEY (
        tenant_id, prescription_id, content_version, facts_version, in_force_version
    )
);

-- Releases of the drug catalogue; the one of highest sequence is in use, one without was only loaded.
CREATE TABLE catalogue_release (
    release      text COLLATE "C" NOT NULL,
    digest       bytea NOT NULL, -- SHA-256 of the file: the same file twice is the same release
    products     int NOT NULL,
    loaded_at    timestamptz NOT NULL,
    sequence     bigint,
    activated_at timestamptz,
    CONSTRAINT catalogue_release_pkey PRIMARY KEY (release),
    CONSTRAINT catalogue_release_sequence_key UNIQUE (sequence)
);
CREATE SEQUENCE catalogue_sequence;

CREATE TABLE product (
    release       text COLLATE "C" NOT NULL,
    product_code  text COLLATE "C" NOT NULL,
    medication_id uuid NOT NULL, -- of source and code, so that it survives reloads
    record        text NOT NULL, -- contracts.drug_catalog.CatalogueProduct
    CONSTRAINT product_pkey PRIMARY KEY (release, product_code),
    CONSTRAINT product_release_fkey FOREIGN KEY (release) REFERENCES catalogue_release ON DELETE CASCADE
);
