-- +goose Up
-- The tables of CORRECTNESS 3.2 as 3.10 puts them: uuid and jsonb are text,
-- times are integer milliseconds, booleans 0/1, parked is the largest integer.

CREATE TABLE fence (                     -- ONE fencing sequence for the installation
  one INTEGER PRIMARY KEY CHECK (one = 1),
  n INTEGER NOT NULL,
  last_ms INTEGER NOT NULL               -- the clock never goes back behind it
) STRICT;
INSERT INTO fence (one, n, last_ms) VALUES (1, 0, 0);

CREATE TABLE installation (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  key_fp TEXT NOT NULL,
  schema_min INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE system (
  system TEXT PRIMARY KEY, kind TEXT NOT NULL, tenant_fp TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE system_object (
  system TEXT NOT NULL REFERENCES system, object TEXT NOT NULL,
  create_class TEXT NOT NULL CHECK (create_class IN ('unique','search','blind')),
  settle INTEGER NOT NULL DEFAULT 300000, index_lag INTEGER NOT NULL DEFAULT 120000,
  PRIMARY KEY (system, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE hold (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  system TEXT NOT NULL, link TEXT NOT NULL DEFAULT '',
  what TEXT NOT NULL CHECK (what IN ('all','writes','creates','deletes')), reason TEXT NOT NULL, detail TEXT,
  since INTEGER NOT NULL, released_at INTEGER, released_by TEXT
) STRICT;
CREATE UNIQUE INDEX hold_open ON hold (system, link, what, reason) WHERE released_at IS NULL;

CREATE TABLE identity (
  identity_id TEXT PRIMARY KEY, link TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'live' CHECK (state IN ('live','retired','merged','quarantined')),
  merged_into TEXT REFERENCES identity,
  epoch INTEGER NOT NULL DEFAULT 0, lease_owner TEXT, lease_until INTEGER,
  rev INTEGER NOT NULL DEFAULT 0, churn INTEGER NOT NULL DEFAULT 0, churn_since INTEGER, note TEXT,
  created_at INTEGER NOT NULL, created_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE member (
  identity_id TEXT NOT NULL REFERENCES identity, system TEXT NOT NULL, object TEXT NOT NULL,
  record_id TEXT,
  state TEXT NOT NULL CHECK (state IN ('creating','uncertain','parked','active','gone','merged','quarantined')),
  token TEXT, sent_at INTEGER, sends INTEGER NOT NULL DEFAULT 0, sent_epoch INTEGER,
  birth TEXT,
  base TEXT, base_ver TEXT, base_at INTEGER,
  intent TEXT,
  sent_vals TEXT,
  first_seen INTEGER NOT NULL, last_seen INTEGER, gone_at INTEGER,
  created_by TEXT NOT NULL,
  PRIMARY KEY (identity_id, system),     -- THE CLAIM
  FOREIGN KEY (system, object) REFERENCES system_object,
  CHECK (record_id IS NOT NULL OR state IN ('creating','uncertain','parked'))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX member_record ON member (system, object, record_id) WHERE state IN ('active','quarantined');
CREATE UNIQUE INDEX member_token  ON member (system, token) WHERE token IS NOT NULL;
CREATE INDEX        member_open   ON member (system, object, sent_at) WHERE state IN ('creating','uncertain');
CREATE INDEX        member_hist   ON member (system, object, record_id) WHERE state IN ('gone','merged');
CREATE INDEX        member_of     ON member (system, record_id) WHERE record_id IS NOT NULL;   -- the view, by source id

CREATE VIEW id_mapping AS
SELECT s.system AS source_system, s.record_id AS source_id, t.system AS target_system, t.record_id AS target_id,
       (s.state='active' AND t.state='active' AND i.state='live') AS active,
       i.identity_id AS canonical_id, i.created_at, i.created_by,
       COALESCE(max(s.last_seen, t.last_seen), s.last_seen, t.last_seen) AS last_seen_at,
       i.link, s.object AS source_object, t.object AS target_object
FROM member s JOIN member t ON t.identity_id=s.identity_id AND t.system<>s.system
JOIN identity i ON i.identity_id=s.identity_id
WHERE s.record_id IS NOT NULL AND t.record_id IS NOT NULL;

CREATE TABLE match_key (
  link TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
  identity_id TEXT NOT NULL REFERENCES identity, system TEXT NOT NULL,
  claimed_at INTEGER NOT NULL, shared INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (link, kind, value)        -- NOT per system: the second claimant sees the first
) STRICT, WITHOUT ROWID;
CREATE INDEX match_key_identity ON match_key (identity_id);

CREATE TABLE seen (
  system TEXT NOT NULL, object TEXT NOT NULL, record_id TEXT NOT NULL, birth TEXT, ver TEXT, keys TEXT, listed_gen INTEGER,
  last_seen INTEGER NOT NULL, gone_at INTEGER,
  PRIMARY KEY (system, object, record_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE field_state (
  identity_id TEXT NOT NULL, system TEXT NOT NULL, field TEXT NOT NULL, state TEXT NOT NULL,
  detail TEXT, since INTEGER NOT NULL,
  PRIMARY KEY (identity_id, system, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE work (
  system TEXT NOT NULL, object TEXT NOT NULL, record_id TEXT NOT NULL,
  lane INTEGER NOT NULL DEFAULT 0,
  gen INTEGER NOT NULL DEFAULT 1, claimed_gen INTEGER,
  epoch INTEGER NOT NULL DEFAULT 0, owner TEXT,
  not_before INTEGER NOT NULL,           -- delay, back-off and lease expiry; the largest integer = parked
  batch_cap INTEGER,
  lone INTEGER NOT NULL DEFAULT 0,       -- the claim was of this row alone, so it counted as an attempt (3.7)
  hint_ver TEXT, hints INTEGER NOT NULL DEFAULT 1, attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT,
  detail TEXT,
  cause TEXT NOT NULL, delivery_key TEXT, trace TEXT,
  first_hint INTEGER NOT NULL,
  PRIMARY KEY (system, object, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX work_due ON work (system, object, lane, not_before);
CREATE INDEX work_held ON work (owner) WHERE owner IS NOT NULL;   -- the end of a drain

CREATE TABLE inbox (
  system TEXT NOT NULL, delivery_key TEXT NOT NULL,
  received_at INTEGER NOT NULL, last_at INTEGER NOT NULL, times INTEGER NOT NULL DEFAULT 1,
  n_events INTEGER NOT NULL,
  PRIMARY KEY (system, delivery_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
  identity_id TEXT, system TEXT, object TEXT, record_id TEXT,
  cause TEXT NOT NULL, delivery_key TEXT, trace TEXT,
  action TEXT NOT NULL,
  fields TEXT,
  epoch INTEGER, replica TEXT
) STRICT;
CREATE INDEX history_identity ON history (identity_id, id DESC);
CREATE INDEX history_record ON history (system, object, record_id, id DESC);
CREATE INDEX history_at ON history (at);

CREATE TABLE trash (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  system TEXT NOT NULL, object TEXT NOT NULL, record_id TEXT NOT NULL, identity_id TEXT,
  why TEXT NOT NULL, error TEXT, attempts INTEGER, payload TEXT, at INTEGER NOT NULL,
  resolved_at INTEGER, resolved_by TEXT, resolution TEXT
) STRICT;
CREATE UNIQUE INDEX trash_open ON trash (system, object, record_id, why) WHERE resolved_at IS NULL;

CREATE TABLE cursor (
  system TEXT NOT NULL, object TEXT NOT NULL, kind TEXT NOT NULL,
  pos TEXT, gen INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER NOT NULL DEFAULT 0, owner TEXT, lease_until INTEGER,
  PRIMARY KEY (system, object, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE replica (
  replica TEXT PRIMARY KEY, version TEXT NOT NULL, config_rev TEXT NOT NULL,
  started_at INTEGER NOT NULL, seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
