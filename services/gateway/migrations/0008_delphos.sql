-- API keys let callers of the second dialect in: their use is counted, and a tenant's calls are limited.
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

-- A tenant that is inactive lets nobody in, neither by key nor by client.
ALTER TABLE tenant ADD COLUMN disabled_at timestamptz;

ALTER TABLE api_key
    ADD COLUMN uses          bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_used_at  timestamptz,
    -- Limits are the tenant's (settings requests_per_minute, _hour, _day), whichever of its keys is used.
    DROP COLUMN requests_per_minute,
    DROP COLUMN requests_per_hour,
    DROP COLUMN requests_per_day;

-- How many calls each tenant has made, or an instance has taken in advance, in the windows of the calendar that
-- began at these moments. No grant: limits are applied before anybody's tenant is named.
CREATE TABLE call_count (
    tenant_id     uuid        NOT NULL CONSTRAINT call_count_pkey PRIMARY KEY REFERENCES tenant,
    minute        timestamptz NOT NULL,
    minute_calls  bigint      NOT NULL,
    hour          timestamptz NOT NULL,
    hour_calls    bigint      NOT NULL,
    day           timestamptz NOT NULL,
    day_calls     bigint      NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE call_count ENABLE ROW LEVEL SECURITY;

-- `client` is `tenant:<id>` in the second dialect, whose idempotency keys are the tenant's; which API key it was
-- is here.
ALTER TABLE request ADD COLUMN asked_by text;
