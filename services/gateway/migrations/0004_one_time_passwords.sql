-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- Of a pharmacy (`tenant_id`), for the person behind a code. Neither code nor token is here: only what tells them.
CREATE TABLE one_time_password (
    tenant_id        uuid NOT NULL,
    otp_id           uuid NOT NULL,
    patient_id       uuid NOT NULL,
    -- Null: for the next start of this pharmacy.
    dispensation_id  uuid,
    code_digest      bytea NOT NULL,
    wrong            int NOT NULL DEFAULT 0,
    sent_at          timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    -- A newer one has taken its place, or it has been exchanged for its token.
    ended_at         timestamptz,
    verified_at      timestamptz,
    token_digest     bytea,
    token_expires_at timestamptz,
    CONSTRAINT one_time_password_pkey PRIMARY KEY (tenant_id, otp_id),
    CONSTRAINT one_time_password_token UNIQUE (token_digest)
);
CREATE INDEX one_time_password_newest ON one_time_password (tenant_id, patient_id, sent_at DESC);
CREATE INDEX one_time_password_sends ON one_time_password (patient_id, sent_at);
ALTER TABLE one_time_password ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON one_time_password USING (tenant_id = present_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON one_time_password TO gateway;

-- How often this person has been written to lately, whichever pharmacy asked; nobody counts beside the caller
-- until its transaction ends.
CREATE FUNCTION one_time_passwords_sent(person uuid, since timestamptz)
RETURNS TABLE (at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(person::text, 4));
    RETURN QUERY
    SELECT sent_at
      FROM one_time_password
     WHERE patient_id = person
       AND sent_at > since
     ORDER BY sent_at;
END
$$;
REVOKE ALL ON FUNCTION one_time_passwords_sent FROM PUBLIC;
GRANT EXECUTE ON FUNCTION one_time_passwords_sent TO gateway;

-- Whose code a pharmacy has looked at, for the half hour in which it may verify them (ruling 2.9).
CREATE TABLE code_look (
    tenant_id         uuid NOT NULL,
    patient_id        uuid NOT NULL,
    prescription_code text NOT NULL,
    looked_at         timestamptz NOT NULL,
    CONSTRAINT code_look_pkey PRIMARY KEY (tenant_id, patient_id)
);
CREATE INDEX code_look_oldest ON code_look (tenant_id, looked_at);
ALTER TABLE code_look ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON code_look USING (tenant_id = present_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON code_look TO gateway;

-- Whose dispensation it is, so that a pharmacy is found to know the person. Nullable: the last release writes none.
ALTER TABLE dispensation_view ADD COLUMN patient_id uuid;
UPDATE dispensation_view
   SET patient_id = view.patient_id
  FROM prescription_view AS view
 WHERE (view.tenant_id, view.prescription_id) = (dispensation_view.owner_id, dispensation_view.prescription_id);
CREATE INDEX dispensation_view_patient ON dispensation_view (tenant_id, patient_id, started_at DESC);
