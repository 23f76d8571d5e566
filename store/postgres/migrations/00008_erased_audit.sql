-- +goose Up
-- The audit is append-only, but for an erasure (CORRECTNESS F44): it takes out whom a
-- line was about, and what their records held. Who did what, when and how stays.
DROP TRIGGER audit_kept ON audit;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_kept();
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit FOR EACH ROW
WHEN (NOT (NEW.target LIKE 'erased:%' AND NEW.reason IS NULL AND NEW.before IS NULL AND NEW.after IS NULL
  AND NEW.id=OLD.id AND NEW.at=OLD.at AND NEW.actor=OLD.actor AND NEW.via=OLD.via AND NEW.action=OLD.action))
EXECUTE FUNCTION audit_kept();
