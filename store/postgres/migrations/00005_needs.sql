-- +goose Up
-- References that wait (CORRECTNESS F64). system is the side that is to be told;
-- what is wanted is an identity, or a record whose identity is not known yet.
CREATE TABLE needs (
  identity_id uuid NOT NULL REFERENCES identity, system text NOT NULL, field text NOT NULL,
  wants_identity uuid, wants_system text, wants_object text, wants_record text,
  answer text,                           -- why the record that is wanted belongs to nobody
  wake text NOT NULL,                    -- the system whose record is looked at again
  since timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (identity_id, system, field),
  CHECK ((wants_identity IS NULL) <> (wants_record IS NULL))
);
CREATE INDEX needs_identity ON needs (wants_identity) WHERE wants_identity IS NOT NULL;
CREATE INDEX needs_record ON needs (wants_system, wants_object, wants_record) WHERE wants_record IS NOT NULL;
