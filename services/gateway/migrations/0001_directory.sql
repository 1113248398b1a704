-- The directory (providers, clients, people, catalogues), and who may see which of its rows.
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

-- Rows of a provider are seen by the login role only in a transaction that names the provider.
-- The owner of the tables (gateway_owner: migrations, message handlers, relay, operator) is not bound by the policies.
CREATE FUNCTION present_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT NULLIF(current_setting('recepta.tenant_id', true), '')::uuid $$;

CREATE TABLE tenant (
    tenant_id   uuid        NOT NULL CONSTRAINT tenant_pkey PRIMARY KEY,
    slug        text        NOT NULL CONSTRAINT tenant_slug_key UNIQUE,
    name        text        NOT NULL,
    created_at  timestamptz NOT NULL
);

-- What a provider's settings are where they differ from the defaults (osigu-dialect 1.9); values as text.
CREATE TABLE setting (
    tenant_id   uuid        NOT NULL REFERENCES tenant,
    name        text        NOT NULL,
    value       text        NOT NULL,
    changed_at  timestamptz NOT NULL,
    CONSTRAINT setting_pkey PRIMARY KEY (tenant_id, name)
);

CREATE TABLE branch (
    tenant_id   uuid        NOT NULL REFERENCES tenant,
    branch_id   uuid        NOT NULL,
    slug        text        NOT NULL,
    name        text        NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT branch_pkey PRIMARY KEY (tenant_id, branch_id),
    CONSTRAINT branch_slug_key UNIQUE (tenant_id, slug)
);

-- `record` is contracts.values.Doctor as JSON; the columns beside it are what doctors are found by.
CREATE TABLE doctor (
    tenant_id                uuid        NOT NULL REFERENCES tenant,
    doctor_id                uuid        NOT NULL,
    version                  bigint      NOT NULL,
    institution_slug         text        NOT NULL,
    medical_license_number   text        NOT NULL,
    registration_status      text        NOT NULL,
    registration_valid_until date,
    record                   text        NOT NULL,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL,
    CONSTRAINT doctor_pkey PRIMARY KEY (tenant_id, doctor_id),
    CONSTRAINT doctor_license_key UNIQUE (tenant_id, institution_slug, medical_license_number)
);
CREATE INDEX doctor_by_license ON doctor (tenant_id, medical_license_number);

-- `record` is contracts.values.Patient as JSON. A row that is not revealed belongs to an issue that has not succeeded.
CREATE TABLE patient (
    tenant_id        uuid        NOT NULL REFERENCES tenant,
    patient_id       uuid        NOT NULL,
    version          bigint      NOT NULL,
    document_type    text,
    document_number  text,
    content_digest   bytea,
    revealed         boolean     NOT NULL,
    record           text        NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT patient_pkey PRIMARY KEY (tenant_id, patient_id),
    CONSTRAINT patient_document_key UNIQUE (tenant_id, document_number, document_type)
);
-- Without a document simultaneous requests share a row by what they sent, until one of them has succeeded.
CREATE UNIQUE INDEX patient_digest_key ON patient (tenant_id, content_digest) WHERE NOT revealed;
CREATE INDEX patient_unrevealed ON patient (updated_at) WHERE NOT revealed;

CREATE TABLE provider_product (
    tenant_id      uuid        NOT NULL REFERENCES tenant,
    product_code   text        NOT NULL,
    registered_at  timestamptz NOT NULL,
    CONSTRAINT provider_product_pkey PRIMARY KEY (tenant_id, product_code)
);

CREATE TABLE oauth_client (
    client_id            text        NOT NULL CONSTRAINT oauth_client_pkey PRIMARY KEY,
    tenant_id            uuid        NOT NULL REFERENCES tenant,
    secret_sha256        bytea       NOT NULL,
    scopes               text[]      NOT NULL,
    doctor_id            uuid,
    branch_id            uuid,
    requests_per_minute  integer     NOT NULL,
    requests_per_second  integer     NOT NULL,
    created_at           timestamptz NOT NULL,
    disabled_at          timestamptz,
    CONSTRAINT oauth_client_doctor_fkey FOREIGN KEY (tenant_id, doctor_id) REFERENCES doctor,
    CONSTRAINT oauth_client_branch_fkey FOREIGN KEY (tenant_id, branch_id) REFERENCES branch
);

-- Keys of the other dialect: only the digest of a key is kept, and its first characters for display.
CREATE TABLE api_key (
    key_id       uuid        NOT NULL CONSTRAINT api_key_pkey PRIMARY KEY,
    tenant_id    uuid        NOT NULL REFERENCES tenant,
    name         text        NOT NULL,
    key_prefix   text        NOT NULL,
    key_sha256   bytea       NOT NULL CONSTRAINT api_key_sha256_key UNIQUE,
    permissions  text[]      NOT NULL,
    requests_per_minute  integer NOT NULL,
    requests_per_hour    integer NOT NULL,
    requests_per_day     integer NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT api_key_name_key UNIQUE (tenant_id, name)
);

-- Requests to the token endpoint of the last minute; `source` is null for a success (rulings 2.2).
CREATE TABLE token_request (
    client_id  text        NOT NULL,
    source     text,
    at         timestamptz NOT NULL
);
CREATE INDEX token_request_by_client ON token_request (client_id, at);
CREATE INDEX token_request_by_time ON token_request (at);

-- Keys that sign access tokens; the private one is encrypted under GATEWAY_SECRET_KEY.
CREATE TABLE token_key (
    key_id       text        NOT NULL CONSTRAINT token_key_pkey PRIMARY KEY,
    algorithm    text        NOT NULL,
    private_key  bytea       NOT NULL,
    public_jwk   text        NOT NULL,
    created_at   timestamptz NOT NULL,
    used_from    timestamptz NOT NULL
);

-- Public keys that verify seals, for ever; told by signing.
CREATE TABLE seal_key (
    tenant_id   uuid        NOT NULL,
    key_id      text        NOT NULL,
    jwk         text        NOT NULL,
    not_before  timestamptz NOT NULL,
    not_after   timestamptz NOT NULL,
    CONSTRAINT seal_key_pkey PRIMARY KEY (tenant_id, key_id)
);

CREATE TABLE audit (
    audit_id   bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_pkey PRIMARY KEY,
    tenant_id  uuid        NOT NULL REFERENCES tenant,
    at         timestamptz NOT NULL,
    actor      text        NOT NULL,
    what       text        NOT NULL,
    subject    text        NOT NULL,
    value      text
);
CREATE INDEX audit_by_tenant ON audit (tenant_id, at);

-- The catalogue as safety-check publishes it, release by release; one release is the present one.
CREATE TABLE catalogue_release (
    release                 text        NOT NULL CONSTRAINT catalogue_release_pkey PRIMARY KEY,
    sequence                bigint,
    products                bigint,
    names                   bigint,
    products_seen           bigint      NOT NULL DEFAULT 0,
    names_seen              bigint      NOT NULL DEFAULT 0,
    knowledge_base_version  text,
    released_at             timestamptz,
    present_sequence        bigint
);

-- `record` is contracts.drug_catalog.CatalogueProduct as JSON; `search` holds folded words of its names.
CREATE TABLE catalogue_product (
    release        text     NOT NULL,
    medication_id  uuid     NOT NULL,
    product_code   text     NOT NULL,
    product_type   text     NOT NULL,
    ingredients    text[]   NOT NULL,
    code_folded    text     NOT NULL,
    search         tsvector NOT NULL,
    record         text     NOT NULL,
    CONSTRAINT catalogue_product_pkey PRIMARY KEY (release, medication_id)
);
CREATE INDEX catalogue_product_by_code ON catalogue_product (product_code, release);
CREATE INDEX catalogue_product_by_folded_code ON catalogue_product (code_folded text_pattern_ops);
CREATE INDEX catalogue_product_search ON catalogue_product USING gin (search);

CREATE TABLE catalogue_name (
    release     text   NOT NULL,
    key         text   NOT NULL,
    ingredient  text   NOT NULL,
    words       text[] NOT NULL,
    CONSTRAINT catalogue_name_pkey PRIMARY KEY (release, key)
);
CREATE INDEX catalogue_name_by_ingredient ON catalogue_name (release, ingredient);

CREATE TABLE diagnosis (
    diagnosis_code  text     NOT NULL CONSTRAINT diagnosis_pkey PRIMARY KEY,
    code_folded     text     NOT NULL,
    description_en  text     NOT NULL,
    description_es  text,
    description_pt  text,
    search          tsvector NOT NULL
);
CREATE INDEX diagnosis_by_folded_code ON diagnosis (code_folded text_pattern_ops);
CREATE INDEX diagnosis_search ON diagnosis USING gin (search);

ALTER TABLE tenant           ENABLE ROW LEVEL SECURITY;
ALTER TABLE setting          ENABLE ROW LEVEL SECURITY;
ALTER TABLE branch           ENABLE ROW LEVEL SECURITY;
ALTER TABLE doctor           ENABLE ROW LEVEL SECURITY;
ALTER TABLE patient          ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_product ENABLE ROW LEVEL SECURITY;
ALTER TABLE oauth_client     ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key          ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit            ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON tenant           USING (tenant_id = present_tenant());
CREATE POLICY own ON setting          USING (tenant_id = present_tenant());
CREATE POLICY own ON branch           USING (tenant_id = present_tenant());
CREATE POLICY own ON doctor           USING (tenant_id = present_tenant());
CREATE POLICY own ON patient          USING (tenant_id = present_tenant());
CREATE POLICY own ON provider_product USING (tenant_id = present_tenant());
CREATE POLICY own ON oauth_client     USING (tenant_id = present_tenant());
CREATE POLICY own ON api_key          USING (tenant_id = present_tenant());
CREATE POLICY own ON audit            USING (tenant_id = present_tenant());

-- Credentials and signing keys have no grant at all: authentication reads them as the owner.
GRANT SELECT ON tenant, setting, branch, doctor TO gateway;
GRANT SELECT, INSERT, UPDATE ON patient TO gateway;
GRANT SELECT, INSERT, DELETE ON provider_product TO gateway;
GRANT SELECT ON catalogue_release, catalogue_product, catalogue_name, diagnosis, seal_key TO gateway;
-- What is written in a request's transaction besides: its event.
GRANT SELECT, INSERT ON outbox TO gateway;
