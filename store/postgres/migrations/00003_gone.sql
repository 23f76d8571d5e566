-- +goose Up
-- Why and by what a member's record went (F36 to F39), since when it is missing
-- before that, and the open removal of a record by us.
ALTER TABLE member
  ADD COLUMN missing_at timestamptz,               -- first evidence; kept while gone: the breaker counts by it (F38)
  ADD COLUMN gone_why text,                        -- a label
  ADD COLUMN gone_cause text,                      -- the hint or run that told
  ADD COLUMN removal json;                         -- open removal: committed before the call, closed by persist
CREATE INDEX member_missing ON member (missing_at) WHERE missing_at IS NOT NULL;

CREATE OR REPLACE VIEW id_mapping AS
SELECT s.system AS source_system, s.record_id AS source_id, t.system AS target_system, t.record_id AS target_id,
       (s.state='active' AND t.state='active' AND i.state='live') AS active,
       i.identity_id AS canonical_id, i.created_at, i.created_by, GREATEST(s.last_seen, t.last_seen) AS last_seen_at,
       i.link, s.object AS source_object, t.object AS target_object,
       -- of two records that went, the one that went first tells
       LEAST(s.gone_at, t.gone_at) AS inactive_at,
       CASE WHEN s.gone_at IS NULL OR t.gone_at < s.gone_at THEN t.gone_why ELSE s.gone_why END AS inactive_why,
       CASE WHEN s.gone_at IS NULL OR t.gone_at < s.gone_at THEN t.gone_cause ELSE s.gone_cause END AS inactive_cause
FROM member s JOIN member t ON t.identity_id=s.identity_id AND t.system<>s.system
JOIN identity i ON i.identity_id=s.identity_id
WHERE s.record_id IS NOT NULL AND t.record_id IS NOT NULL;
