-- +goose Up
-- Erasure (CORRECTNESS F44), and the old ids of records that were merged or renamed
-- (F40, F43).

ALTER TABLE work ADD COLUMN erase text CHECK (erase IN ('asked','archive','delete','ask'));   -- see store.EraseOrder

CREATE TABLE erasure (                             -- certificates: what was wiped, by table and count, and no value of it
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL, certificate text NOT NULL);

CREATE TABLE tombstone (                           -- an erased record is never paired or created again
  system text COLLATE "C", object text COLLATE "C", id_mac text COLLATE "C",   -- HMAC(install_key, record id), never the id
  erasure_id bigint REFERENCES erasure, erased_at timestamptz NOT NULL, erased_by text NOT NULL,
  PRIMARY KEY (system, object, id_mac));

CREATE TABLE alias (                               -- ids that a member's record had before a merge or a rename
  system text COLLATE "C", object text COLLATE "C", record_id text COLLATE "C",
  identity_id uuid NOT NULL REFERENCES identity, why text NOT NULL, since timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (system, object, record_id));
CREATE INDEX alias_identity ON alias (identity_id);
