-- One service's database and roles; read by psql, locally and in containers, as often as one likes.
-- From the environment: the database; the login role and its password; the role that owns the database, which is the
-- login role itself, or a role that it may become but whose rights it does not have by itself.
\set ON_ERROR_STOP on
\getenv database SERVICE_DATABASE
\getenv service SERVICE_ROLE
\getenv password SERVICE_PASSWORD
\getenv owner SERVICE_OWNER

SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY[:'service', :'owner']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
 GROUP BY name
\gexec

ALTER ROLE :"service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'password';

-- Rows that row-level security hides from the login role are seen only after SET ROLE.
SELECT format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', :'owner', :'service')
 WHERE :'owner' <> :'service'
\gexec

SELECT format('CREATE DATABASE %I', :'database')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec

ALTER DATABASE :"database" OWNER TO :"owner";
-- PUBLIC may connect by default: every service could read the catalogues of every other.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"service";

\connect :"database"
ALTER SCHEMA public OWNER TO :"owner";
