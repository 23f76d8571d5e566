-- +goose Up
-- What people and configurations decide: definitions of fields in force, what the
-- vendors' objects look like, runs, and who did what.

CREATE TABLE field_rev (                 -- the field definitions that an applied plan has put in force (F48)
  link TEXT NOT NULL, field TEXT NOT NULL, rev TEXT NOT NULL, run_id INTEGER,
  superseded TEXT NOT NULL DEFAULT '',   -- the revisions that were in force before, by blanks: whoever runs one is behind
  applied_at INTEGER NOT NULL, applied_by TEXT NOT NULL,
  PRIMARY KEY (link, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE link_column (               -- the columns that a link runs with, as they were when it took them up (F65)
  link TEXT NOT NULL, system TEXT NOT NULL, object TEXT NOT NULL, field TEXT NOT NULL,
  type TEXT NOT NULL, read_only INTEGER NOT NULL DEFAULT 0,
  times_gone INTEGER NOT NULL DEFAULT 0, -- how often it was missing and came back: values from before are in doubt
  gone INTEGER NOT NULL DEFAULT 0,       -- missing now
  since INTEGER NOT NULL,
  PRIMARY KEY (link, system, object, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE described (                 -- what an object looked like when it was last asked (F65)
  system TEXT NOT NULL, object TEXT NOT NULL, fingerprint TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (system, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (                       -- a job over many records
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, link TEXT, scope TEXT, config_rev TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('planning','planned','applying','paused','done','failed')),
  totals TEXT, pos TEXT, epoch INTEGER NOT NULL DEFAULT 0, owner TEXT, lease_until INTEGER,
  created_at INTEGER NOT NULL, created_by TEXT NOT NULL, applied_at INTEGER, applied_by TEXT,
  finished_at INTEGER, report TEXT
) STRICT;

CREATE TABLE run_row (                   -- one line of a run's plan, and what became of it
  run_id INTEGER NOT NULL REFERENCES run, n INTEGER NOT NULL,
  identity_id TEXT, system TEXT, object TEXT, record_id TEXT,
  class TEXT NOT NULL, plan TEXT, vers TEXT,
  state TEXT NOT NULL DEFAULT 'planned', reason TEXT,
  PRIMARY KEY (run_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (                     -- append-only: who did what, by which way, and why
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
  actor TEXT NOT NULL, via TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, reason TEXT,
  before TEXT, after TEXT
) STRICT;
CREATE TRIGGER audit_kept BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
