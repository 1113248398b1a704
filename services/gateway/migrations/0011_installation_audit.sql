-- What is done to the installation as a whole is audited too, and is of no provider.
SET LOCAL lock_timeout = '5s';

ALTER TABLE audit ALTER COLUMN tenant_id DROP NOT NULL;
