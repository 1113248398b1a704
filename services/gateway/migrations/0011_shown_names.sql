-- How the ingredient of a name is shown.
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

ALTER TABLE catalogue_name ADD COLUMN IF NOT EXISTS display_name text;
