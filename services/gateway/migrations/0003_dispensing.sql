-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- Looks that found nothing, a row each: who guesses codes is stopped after some, over HTTP and Kafka together.
CREATE TABLE code_miss (
    tenant_id uuid NOT NULL,
    missed_at timestamptz NOT NULL
);
CREATE INDEX code_miss_recent ON code_miss (tenant_id, missed_at);
ALTER TABLE code_miss ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON code_miss USING (tenant_id = present_tenant());
GRANT SELECT, INSERT, DELETE ON code_miss TO gateway;

-- The one look across tenants: whose an issued prescription is, by the code that its bearer shows.
CREATE FUNCTION look_up_code(wanted text)
RETURNS TABLE (owner_id uuid, prescription_id uuid, settings jsonb, state bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT view.tenant_id,
           view.prescription_id,
           (SELECT coalesce(jsonb_object_agg(setting.name, setting.value), '{}')
              FROM setting
             WHERE setting.tenant_id = view.tenant_id),
           view.state
      FROM prescription_view AS view
     WHERE view.prescription_code = wanted
$$;
REVOKE ALL ON FUNCTION look_up_code FROM PUBLIC;
GRANT EXECUTE ON FUNCTION look_up_code TO gateway;
