package postgres

import (
	"github.com/jackc/pgx/v5"

	"syncd/store"
)

// A record that somebody else has by now is not taken from them. Should they come
// between the look and the write, the whole transaction is repeated and sees them.
const sqlMove = `WITH moved AS (UPDATE member m SET record_id=$5, birth=$6, state='active', last_seen=clock_timestamp(),
    missing_at=NULL, gone_at=NULL, gone_why=NULL, gone_cause=NULL
  WHERE m.identity_id=$1::text::uuid AND m.system=$2 AND m.object=$3
    AND (m.record_id=$4 AND m.state IN ('active','gone') OR $4='' AND m.record_id IS NULL AND m.sent_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM member o WHERE o.system=$2 AND o.object=$3 AND o.record_id=$5 AND o.state IN ('active','quarantined'))
  RETURNING m.identity_id),
known AS (DELETE FROM alias WHERE system=$2 AND object=$3 AND record_id=$5 AND EXISTS (SELECT 1 FROM moved))
INSERT INTO alias (system, object, record_id, identity_id, why)
SELECT $2, $3, $4, identity_id, $7 FROM moved WHERE $4 <> ''
ON CONFLICT (system, object, record_id) DO UPDATE SET identity_id=EXCLUDED.identity_id, why=EXCLUDED.why, since=EXCLUDED.since`

// queueMoves gives members the records that theirs are by now. The members of the
// batch are updated before: a record that one of them gave up is free.
func queueMoves(b *pgx.Batch, moves []store.Move, held map[string]bool) {
	for _, m := range moves {
		if held[m.IdentityID] {
			b.Queue(sqlMove, m.IdentityID, m.System, m.Object, m.From, m.To, orNull(m.Birth), m.Why)
		}
	}
}
