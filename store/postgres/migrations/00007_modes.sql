-- +goose Up
-- The identity mode that a link runs by: a configuration with another one holds the
-- link's creates until somebody accepts it. Links of before knew one mode.
CREATE TABLE link_mode (
  link text COLLATE "C" PRIMARY KEY, mode text NOT NULL, since timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO link_mode (link, mode, since) SELECT link, 'mapping', min(created_at) FROM identity GROUP BY link;
