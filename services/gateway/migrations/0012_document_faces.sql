-- What a leading page says of an end is true until a completion is taken back and another follows.
SET LOCAL lock_timeout = '5s';

ALTER TABLE document ADD COLUMN ended_at timestamptz;
