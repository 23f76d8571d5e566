-- +goose Up
-- References that wait (CORRECTNESS F64). system is the side that is to be told;
-- what is wanted is an identity, or a record whose identity is not known yet.
CREATE TABLE needs (
  identity_id TEXT NOT NULL REFERENCES identity, system TEXT NOT NULL, field TEXT NOT NULL,
  wants_identity TEXT, wants_system TEXT, wants_object TEXT, wants_record TEXT,
  answer TEXT,                           -- why the record that is wanted belongs to nobody
  wake TEXT NOT NULL,                    -- the system whose record is looked at again
  since INTEGER NOT NULL,
  PRIMARY KEY (identity_id, system, field),
  CHECK ((wants_identity IS NULL) <> (wants_record IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX needs_identity ON needs (wants_identity) WHERE wants_identity IS NOT NULL;
CREATE INDEX needs_record ON needs (wants_system, wants_object, wants_record) WHERE wants_record IS NOT NULL;
