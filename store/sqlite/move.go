package sqlite

import "fmt"

const (
	// A record that somebody else has by now is not taken from them.
	// ?1 identity, ?2 system, ?3 object, ?4 from, ?5 to, ?6 birth, ?7 now
	sqlMove = `UPDATE member SET record_id=?5, birth=?6, state='active', last_seen=?7, missing_at=NULL, gone_at=NULL, gone_why=NULL, gone_cause=NULL
WHERE identity_id=?1 AND system=?2 AND object=?3
  AND (record_id=?4 AND state IN ('active','gone') OR ?4='' AND record_id IS NULL AND sent_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM member o WHERE o.system=?2 AND o.object=?3 AND o.record_id=?5 AND o.state IN ('active','quarantined'))`

	sqlAlias = `INSERT INTO alias (system, object, record_id, identity_id, why, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (system, object, record_id) DO UPDATE SET identity_id=excluded.identity_id, why=excluded.why, since=excluded.since`

	sqlNoAlias = `DELETE FROM alias WHERE system=?1 AND object=?2 AND record_id=?3`
)

// moves gives members the records that theirs are by now.
func (b *batch) moves() error {
	for _, m := range b.p.Moves {
		if !b.held[m.IdentityID] {
			continue
		}
		n, err := b.exec(sqlMove, m.IdentityID, m.System, m.Object, m.From, m.To, text(m.Birth), b.now)
		if err != nil {
			return fmt.Errorf("move the member of %s in %s: %w", m.IdentityID, m.System, err)
		}
		if n == 0 {
			continue
		}
		if _, err := b.exec(sqlNoAlias, m.System, m.Object, m.To); err != nil {
			return fmt.Errorf("aliases in %s: %w", m.System, err)
		}
		if m.From == "" {
			continue
		}
		if _, err := b.exec(sqlAlias, m.System, m.Object, m.From, m.IdentityID, m.Why, b.now); err != nil {
			return fmt.Errorf("alias in %s: %w", m.System, err)
		}
	}
	return nil
}
