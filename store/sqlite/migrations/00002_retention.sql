-- +goose Up
-- Receipts are pruned by age, oldest first. They come in the order of this
-- index, so that its upkeep is an append.
CREATE INDEX inbox_received ON inbox (received_at);
