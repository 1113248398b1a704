-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- Consultations as upstream systems hand them in; `state` is the consultation whole. Version 0 stands for one that does
-- not exist yet: it keeps whoever else wants to make it waiting, and is gone at the end of its transaction.
CREATE TABLE consultation (
    tenant_id uuid NOT NULL,
    id        uuid NOT NULL,
    version   int NOT NULL,
    state     json NOT NULL,
    CONSTRAINT consultation_pkey PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80);

-- Templates; of a deleted one the row stays, its name is free. `name` is folded: two that differ in case are the same.
CREATE TABLE template (
    tenant_id uuid NOT NULL,
    id        uuid NOT NULL,
    name      text NOT NULL COLLATE "C",
    deleted   boolean NOT NULL,
    state     json NOT NULL,
    CONSTRAINT template_pkey PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX template_name_once ON template (tenant_id, name)
 WHERE NOT deleted;

-- What was prescribed from a consultation; it never changes, so that updates of a prescription stay on their page.
ALTER TABLE prescription ADD COLUMN consultation_id uuid;
CREATE INDEX prescription_from_consultation ON prescription (tenant_id, consultation_id)
 WHERE consultation_id IS NOT NULL;
