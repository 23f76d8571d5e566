-- +goose Up
-- Erasure (CORRECTNESS F44), and the old ids of records that were merged or renamed
-- (F40, F43).

ALTER TABLE work ADD COLUMN erase TEXT CHECK (erase IN ('asked','archive','delete','ask'));   -- see store.EraseOrder

CREATE TABLE erasure (                   -- certificates: what was wiped, by table and count, and no value of it
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL, certificate TEXT NOT NULL
) STRICT;

CREATE TABLE tombstone (                 -- an erased record is never paired or created again
  system TEXT NOT NULL, object TEXT NOT NULL, id_mac TEXT NOT NULL,   -- HMAC(install_key, record id), never the id
  erasure_id INTEGER REFERENCES erasure, erased_at INTEGER NOT NULL, erased_by TEXT NOT NULL,
  PRIMARY KEY (system, object, id_mac)
) STRICT, WITHOUT ROWID;

CREATE TABLE alias (                     -- ids that a member's record had before a merge or a rename
  system TEXT NOT NULL, object TEXT NOT NULL, record_id TEXT NOT NULL,
  identity_id TEXT NOT NULL REFERENCES identity, why TEXT NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (system, object, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_identity ON alias (identity_id);
