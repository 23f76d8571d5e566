-- +goose Up
-- The schema of CORRECTNESS 3.2, as far as the contract of package store needs it.
--
-- Key columns are COLLATE "C": bytes are the same everywhere, so a new libc
-- cannot corrupt the indexes that the promise of no duplicates rests on, and
-- the lock order is the same for PostgreSQL and for Go.
--
-- Values that are opaque to the store are json, not jsonb: an intent is
-- repeated byte for byte (3.5), and jsonb refuses what vendors send
-- (\u0000, lone surrogates, numbers of any size).

CREATE SEQUENCE fence;                             -- ONE fencing sequence for the installation

CREATE TABLE installation (                        -- one row
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  key_fp text NOT NULL,                            -- fingerprint of install_key, never the key
  schema_min int NOT NULL DEFAULT 1,               -- F49
  created_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE system (                              -- one connected application
  system text COLLATE "C" PRIMARY KEY, kind text NOT NULL,
  tenant_fp text);                                 -- remote tenant id at first connect (F54)

CREATE TABLE system_object (                       -- one object of a system: how safe its creates are
  system text COLLATE "C" REFERENCES system, object text COLLATE "C",
  create_class text NOT NULL CHECK (create_class IN ('unique','search','blind')),
  settle interval NOT NULL DEFAULT '5 min', index_lag interval NOT NULL DEFAULT '2 min',
  repeat_window interval CHECK (repeat_window IS NULL OR create_class = 'search'),
  PRIMARY KEY (system, object));

CREATE TABLE hold (                                -- a safety catch that has closed; work is kept
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  system text COLLATE "C" NOT NULL, link text COLLATE "C" NOT NULL DEFAULT '',   -- '' = every link
  what text COLLATE "C" NOT NULL CHECK (what IN ('all','writes','creates','deletes')),
  reason text COLLATE "C" NOT NULL, detail json,
  since timestamptz NOT NULL DEFAULT now(), released_at timestamptz, released_by text);
CREATE UNIQUE INDEX hold_open ON hold (system, link, what, reason) WHERE released_at IS NULL;

CREATE TABLE identity (                            -- one real-world record; identity_id is the canonical id
  identity_id uuid PRIMARY KEY, link text COLLATE "C" NOT NULL,
  state text NOT NULL DEFAULT 'live' CHECK (state IN ('live','retired','merged','quarantined')),
  merged_into uuid REFERENCES identity,
  epoch bigint NOT NULL DEFAULT 0, lease_owner text, lease_until timestamptz,
  rev bigint NOT NULL DEFAULT 0, churn int NOT NULL DEFAULT 0, churn_since timestamptz, note text,
  created_at timestamptz NOT NULL DEFAULT now(), created_by text NOT NULL)
  WITH (fillfactor=80);                            -- a lease changes no indexed column: keep room for it

CREATE TABLE member (                              -- an identity's record in one system
  identity_id uuid NOT NULL REFERENCES identity,
  system text COLLATE "C" NOT NULL, object text COLLATE "C" NOT NULL,
  record_id text COLLATE "C",                      -- NULL while creating
  state text NOT NULL CHECK (state IN ('creating','uncertain','parked','active','gone','merged','quarantined')),
  token text COLLATE "C", sent_at timestamptz, sends int NOT NULL DEFAULT 0, sent_epoch bigint,   -- the create intent
  birth text,                                      -- the vendor's createdAt: guards against id re-use
  base json, base_ver text, base_at timestamptz,
  intent json,
  sent_vals json,                                  -- the ledger
  first_seen timestamptz NOT NULL DEFAULT now(), last_seen timestamptz, gone_at timestamptz,
  created_by text NOT NULL,
  PRIMARY KEY (identity_id, system),               -- THE CLAIM
  FOREIGN KEY (system, object) REFERENCES system_object,
  CHECK (record_id IS NOT NULL OR state IN ('creating','uncertain','parked')))
  WITH (fillfactor=80);
CREATE UNIQUE INDEX member_record ON member (system, object, record_id) WHERE state IN ('active','quarantined');
CREATE UNIQUE INDEX member_token  ON member (system, token) WHERE token IS NOT NULL;
CREATE INDEX        member_open   ON member (system, object, sent_at) WHERE state IN ('creating','uncertain');
CREATE INDEX        member_hist   ON member (system, object, record_id) WHERE state IN ('gone','merged');

CREATE VIEW id_mapping AS
SELECT s.system AS source_system, s.record_id AS source_id, t.system AS target_system, t.record_id AS target_id,
       (s.state='active' AND t.state='active' AND i.state='live') AS active,
       i.identity_id AS canonical_id, i.created_at, i.created_by, GREATEST(s.last_seen, t.last_seen) AS last_seen_at,
       i.link, s.object AS source_object, t.object AS target_object
FROM member s JOIN member t ON t.identity_id=s.identity_id AND t.system<>s.system
JOIN identity i ON i.identity_id=s.identity_id
WHERE s.record_id IS NOT NULL AND t.record_id IS NOT NULL;

CREATE TABLE match_key (                           -- F6: two systems creating the same person meet here
  link text COLLATE "C", kind text COLLATE "C", value text COLLATE "C",
  identity_id uuid NOT NULL REFERENCES identity, system text COLLATE "C" NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT now(), shared boolean NOT NULL DEFAULT false,
  PRIMARY KEY (link, kind, value));                -- NOT per system: the second claimant must block and see the first
CREATE INDEX match_key_identity ON match_key (identity_id);

CREATE TABLE seen (                                -- every record of every system, paired or not
  system text COLLATE "C", object text COLLATE "C", record_id text COLLATE "C",
  birth text, ver text, keys json, listed_gen bigint,
  last_seen timestamptz NOT NULL, gone_at timestamptz, PRIMARY KEY (system, object, record_id))
  WITH (fillfactor=80);

CREATE TABLE field_state (                         -- only fields that are not agreed have a row
  identity_id uuid, system text COLLATE "C", field text COLLATE "C", state text NOT NULL,
  detail json, since timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (identity_id, system, field));

CREATE TABLE work (                                -- durable, coalescing, level-triggered
  system text COLLATE "C", object text COLLATE "C", record_id text COLLATE "C",
  lane smallint NOT NULL DEFAULT 0,                -- 0 live, 1 retry, 2 sweep, 3 backfill
  gen bigint NOT NULL DEFAULT 1, claimed_gen bigint,
  epoch bigint NOT NULL DEFAULT 0, owner text,
  not_before timestamptz NOT NULL DEFAULT now(),   -- ONE column for delay, back-off and lease expiry; 'infinity' = parked
  batch int,                                       -- rows claimed together: 1 means that the claim cost an attempt
  batch_cap int,                                   -- claim it with at most this many rows (3.7); NULL = no cap
  hint_ver text COLLATE "C", hints int NOT NULL DEFAULT 1, attempts int NOT NULL DEFAULT 0, last_error text,
  detail json,                                     -- parked: the question and its candidates
  cause text NOT NULL, delivery_key text, trace text,   -- of the NEWEST hint; history copies them
  first_hint timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (system, object, record_id)) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0.01);
CREATE INDEX work_due ON work (system, object, lane, not_before);

CREATE TABLE inbox (                               -- evidence of receipt, no filter
  system text COLLATE "C", delivery_key text COLLATE "C",
  received_at timestamptz NOT NULL DEFAULT now(), last_at timestamptz NOT NULL DEFAULT now(), times int NOT NULL DEFAULT 1,
  n_events int NOT NULL, PRIMARY KEY (system, delivery_key));

CREATE TABLE history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(),
  identity_id uuid, system text COLLATE "C", object text COLLATE "C", record_id text COLLATE "C",
  cause text NOT NULL, delivery_key text, trace text,
  action text NOT NULL,
  fields json,                                     -- field → [old, new]
  epoch bigint, replica text);
CREATE INDEX history_identity ON history (identity_id, id DESC);
CREATE INDEX history_record ON history (system, object, record_id, id DESC);
CREATE INDEX history_at ON history USING brin (at);

CREATE TABLE trash (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  system text COLLATE "C" NOT NULL, object text COLLATE "C" NOT NULL, record_id text COLLATE "C" NOT NULL,
  identity_id uuid, why text COLLATE "C" NOT NULL, error text, attempts int, payload json,
  at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz, resolved_by text, resolution text);
CREATE UNIQUE INDEX trash_open ON trash (system, object, record_id, why) WHERE resolved_at IS NULL;

CREATE TABLE cursor (
  system text COLLATE "C", object text COLLATE "C", kind text COLLATE "C",   -- changed | deleted | verify | backfill
  pos json,                                        -- NULL: nothing swept yet
  gen bigint NOT NULL DEFAULT 0,
  epoch bigint NOT NULL DEFAULT 0, owner text, lease_until timestamptz, PRIMARY KEY (system, object, kind));

CREATE TABLE replica (                             -- what each replica runs (section 4)
  replica text PRIMARY KEY, version text NOT NULL, config_rev text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(), seen_at timestamptz NOT NULL DEFAULT now());
