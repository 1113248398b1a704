-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- Whose lease it is: a process that was killed has its rows back as soon as its slot is taken again.
ALTER TABLE work ADD COLUMN leased_by text;
