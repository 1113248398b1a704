-- Whoever cannot get a lock at once gives up and tries again, instead of making everyone else queue behind it.
SET LOCAL lock_timeout = '5s';

-- Trusted: the owner of a database may have it without being superuser.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- The catalogue as safety-check publishes it, release by release; of those that are complete the newest is in use.
-- `sequence` and the two counts come with the marker, which may come before the last of the records.
CREATE TABLE catalogue_release (
    release          text NOT NULL COLLATE "C",
    sequence         int,
    products         int,
    names            int,
    products_seen    int NOT NULL DEFAULT 0,
    names_seen       int NOT NULL DEFAULT 0,
    present_sequence int,
    CONSTRAINT catalogue_release_pkey PRIMARY KEY (release)
);

-- What items are linked to. `bare_names` and `strength` are spelled as contracts.drug_names spells them.
CREATE TABLE catalogue_product (
    release       text NOT NULL COLLATE "C",
    medication_id uuid NOT NULL,
    bare_names    text[] NOT NULL,
    strength      text,
    product       json NOT NULL,
    CONSTRAINT catalogue_product_pkey PRIMARY KEY (release, medication_id)
);
CREATE INDEX catalogue_product_by_name ON catalogue_product USING gin (bare_names);

-- What items are resolved by. A name of a combination stands for several ingredients.
CREATE TABLE catalogue_name (
    release      text NOT NULL COLLATE "C",
    key          text NOT NULL COLLATE "C",
    ingredients  text[] NOT NULL,
    name         text NOT NULL,
    folded       text NOT NULL COLLATE "C",
    name_key     text COLLATE "C",
    kind         text NOT NULL,
    country      text NOT NULL,
    display_name text NOT NULL,
    lookalikes   text[] NOT NULL,
    CONSTRAINT catalogue_name_pkey PRIMARY KEY (release, key)
);
CREATE INDEX catalogue_name_by_folded ON catalogue_name (release, folded);
CREATE INDEX catalogue_name_by_key ON catalogue_name (release, name_key);
CREATE INDEX catalogue_name_by_ingredient ON catalogue_name (release, (ingredients[1]));
CREATE INDEX catalogue_name_resembling ON catalogue_name USING gin (folded gin_trgm_ops);
