-- Medicines are searched by resemblance and by words (delphos-dialect 10).
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

-- Both are trusted: whoever owns a database may have them in it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS unaccent;

-- A text without regard to case and accents. What unaccent says depends on a dictionary, which nobody changes here:
-- so it may be called immutable, as indexes and stored columns demand.
CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN lower(unaccent('unaccent'::regdictionary, $1));

-- The words of a plain text: letters and digits alone, so that no path or host name is seen in `com/ct 500-20`.
CREATE FUNCTION plain_words(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(plain($1), '[^[:alnum:]]+', ' ', 'g');

-- `substance` and `trade_name` are shown, what is plain is searched; `full_text` holds whole words of all names, and of the pack.
ALTER TABLE catalogue_product
    ADD COLUMN substance       text     NOT NULL DEFAULT '',
    ADD COLUMN substance_plain text     GENERATED ALWAYS AS (plain(substance)) STORED,
    ADD COLUMN trade_name      text     NOT NULL DEFAULT '',
    ADD COLUMN name_plain      text     GENERATED ALWAYS AS (plain(trade_name)) STORED,
    ADD COLUMN kind_plain      text,
    ADD COLUMN class_plain     text,
    ADD COLUMN atc_codes       text[]   NOT NULL DEFAULT '{}',
    ADD COLUMN full_text       tsvector NOT NULL DEFAULT '';

-- What a name is, so that allergies are resolved by it, and how its ingredient is shown; nullable, because the last
-- release writes none of it.
ALTER TABLE catalogue_name
    ADD COLUMN name         text,
    ADD COLUMN kind         text,
    ADD COLUMN country      text,
    ADD COLUMN IF NOT EXISTS display_name text;

-- What is here already; its substances are shown as that release of the catalogue has them.
UPDATE catalogue_product
   SET substance = upper(plain(coalesce(
           (SELECT string_agg(one ->> 'name', ' + ')
              FROM jsonb_array_elements(record::jsonb #> '{product,active_ingredients}') AS one),
           record::jsonb #>> '{product,product_name}'))),
       trade_name = coalesce(record::jsonb #>> '{product,names,pt}', record::jsonb #>> '{product,product_name}'),
       atc_codes = ARRAY(SELECT one ->> 'atc_code'
                           FROM jsonb_array_elements(record::jsonb #> '{product,active_ingredients}') AS one
                          WHERE one ->> 'atc_code' IS NOT NULL),
       full_text = search;

CREATE INDEX catalogue_product_by_name ON catalogue_product (name_plain, release);
CREATE INDEX catalogue_product_by_substance ON catalogue_product (substance_plain, release);
CREATE INDEX catalogue_product_by_words ON catalogue_product USING gin (full_text);

-- Each name and substance once: a list has a few thousand of them, and tens of thousands of packs.
CREATE TABLE catalogue_wording (
    release  text  NOT NULL,
    plain    text  NOT NULL,
    CONSTRAINT catalogue_wording_pkey PRIMARY KEY (release, plain)
);
CREATE INDEX catalogue_wording_alike ON catalogue_wording USING gin (plain gin_trgm_ops);
INSERT INTO catalogue_wording
SELECT DISTINCT release, plain
  FROM catalogue_product
 CROSS JOIN unnest(ARRAY[name_plain, substance_plain]) AS plain;
GRANT SELECT ON catalogue_wording TO gateway;
