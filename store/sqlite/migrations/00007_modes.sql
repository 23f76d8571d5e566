-- +goose Up
-- The identity mode that a link runs by: a configuration with another one holds the
-- link's creates until somebody accepts it. Links of before knew one mode.
CREATE TABLE link_mode (
  link TEXT PRIMARY KEY, mode TEXT NOT NULL, since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO link_mode (link, mode, since) SELECT link, 'mapping', min(created_at) FROM identity GROUP BY link;
