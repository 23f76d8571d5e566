-- +goose Up
-- What people and configurations decide: definitions of fields in force, what the
-- vendors' objects look like, runs, and who did what.

CREATE TABLE field_rev (                 -- the field definitions that an applied plan has put in force (F48)
  link text COLLATE "C", field text COLLATE "C", rev text NOT NULL, run_id bigint,
  superseded text NOT NULL DEFAULT '',   -- the revisions that were in force before, by blanks: whoever runs one is behind
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), applied_by text NOT NULL,
  PRIMARY KEY (link, field));

CREATE TABLE link_column (               -- the columns that a link runs with, as they were when it took them up (F65)
  link text COLLATE "C", system text COLLATE "C", object text COLLATE "C", field text COLLATE "C",
  type text NOT NULL, read_only boolean NOT NULL DEFAULT false,
  times_gone int NOT NULL DEFAULT 0,     -- how often it was missing and came back: values from before are in doubt
  gone boolean NOT NULL DEFAULT false,   -- missing now
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (link, system, object, field));

CREATE TABLE described (                 -- what an object looked like when it was last asked (F65)
  system text COLLATE "C", object text COLLATE "C", fingerprint text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (system, object));

CREATE TABLE run (                       -- a job over many records
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL, link text COLLATE "C", scope json, config_rev text NOT NULL,
  state text NOT NULL CHECK (state IN ('planning','planned','applying','paused','done','failed')),
  totals json, pos json, epoch bigint NOT NULL DEFAULT 0, owner text, lease_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(), created_by text NOT NULL,
  applied_at timestamptz, applied_by text, finished_at timestamptz, report json);

CREATE TABLE run_row (                   -- one line of a run's plan, and what became of it
  run_id bigint REFERENCES run, n bigint, identity_id uuid,
  system text COLLATE "C", object text COLLATE "C", record_id text COLLATE "C",
  class text NOT NULL, plan json, vers json,
  state text NOT NULL DEFAULT 'planned', reason text, PRIMARY KEY (run_id, n));

CREATE TABLE audit (                     -- append-only: who did what, by which way, and why
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor text NOT NULL, via text NOT NULL, action text NOT NULL, target text NOT NULL, reason text,
  before json, after json);
-- +goose StatementBegin
CREATE FUNCTION audit_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'audit is append-only'; END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_kept();
