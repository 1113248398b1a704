-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- The one-time passwords that let something be handed over: none does so twice.
CREATE TABLE used_verification (
    tenant_id uuid NOT NULL,
    id        uuid NOT NULL,
    used_at   timestamptz NOT NULL,
    CONSTRAINT used_verification_pkey PRIMARY KEY (tenant_id, id)
);
CREATE INDEX used_verification_oldest ON used_verification (tenant_id, used_at);
