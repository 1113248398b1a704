-- A second generation of the views, filled while the first is read, and put in its place by one transaction.
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

-- One rebuild at a time; those that are over stay, for whoever wants to know. `announced` is what the end marker
-- counts.
CREATE TABLE view_rebuild (
    rebuild_id  uuid         NOT NULL CONSTRAINT view_rebuild_pkey PRIMARY KEY,
    begun_at    timestamptz  NOT NULL,
    announced   bigint,
    ended_at    timestamptz,
    outcome     text,
    CONSTRAINT view_rebuild_outcome CHECK (outcome IN ('done', 'abandoned')),
    CONSTRAINT view_rebuild_ended CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX view_rebuild_one_at_a_time ON view_rebuild ((true)) WHERE ended_at IS NULL;

-- How many announced records each batch has kept: rows of their own, so that no batch waits for another.
CREATE TABLE view_rebuild_arrival (
    rebuild_id  uuid    NOT NULL REFERENCES view_rebuild,
    records     bigint  NOT NULL
);
CREATE INDEX view_rebuild_arrival_of ON view_rebuild_arrival (rebuild_id);

-- The rebuild that this transaction must fill the second generation for. The lock comes first: whoever begins or
-- ends a rebuild waits for all that write, so that each of them knows; and the row is read after it.
CREATE FUNCTION rebuild_to_fill() RETURNS uuid
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7165798);
    RETURN (SELECT rebuild_id FROM view_rebuild WHERE ended_at IS NULL);
END
$$;
REVOKE ALL ON FUNCTION rebuild_to_fill FROM PUBLIC;

-- The second generation is in a schema where requests see nothing; `leaving` has tables for a moment of the swap.
-- Names of tables, constraints and indexes are the same in both, and so must be what later migrations do to them
-- (test_gateway_rebuilding.py compares).
CREATE SCHEMA rebuilt;
CREATE SCHEMA leaving;

DO $$
DECLARE
    view text;
    made text;
BEGIN
    FOREACH view IN ARRAY ARRAY['prescription_view', 'dispensation_view', 'prescription_history',
                                'consultation_view', 'template_view'] LOOP
        EXECUTE format('CREATE TABLE rebuilt.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING STORAGE)', view, view);
        FOR made IN
            SELECT format('ALTER TABLE rebuilt.%I ADD CONSTRAINT %I %s', view, conname, pg_get_constraintdef(oid))
              FROM pg_constraint
             WHERE conrelid = ('public.' || view)::regclass
               AND contype <> 'n'
        UNION ALL
            SELECT replace(pg_get_indexdef(indexrelid), ' ON public.', ' ON rebuilt.')
              FROM pg_index
             WHERE indrelid = ('public.' || view)::regclass
               AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        UNION ALL
            SELECT format('ALTER TABLE rebuilt.%I SET (%s)', view, array_to_string(reloptions, ', '))
              FROM pg_class
             WHERE oid = ('public.' || view)::regclass
               AND reloptions IS NOT NULL
        LOOP
            EXECUTE made;
        END LOOP;
        EXECUTE format('ALTER TABLE rebuilt.%I ENABLE ROW LEVEL SECURITY', view);
        EXECUTE format('CREATE POLICY own ON rebuilt.%I USING (tenant_id = present_tenant())', view);
        EXECUTE format('GRANT SELECT ON rebuilt.%I TO gateway', view);
    END LOOP;
END
$$;
