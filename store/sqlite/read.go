package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"syncd/mapping"
	"syncd/store"
)

// identities collects lines of sqlMember, one per member, by identity.
type identities map[string]*store.Identity

// scan reads the columns in front of sqlMember into lead, then adds the member
// to its identity.
func (ids identities) scan(rows *sql.Rows, lead ...any) (*store.Identity, error) {
	var i store.Identity
	var m store.Member
	var state, mstate string
	var record, token, birth, base, baseVer, intent, sent, why, cause, removal, fields sql.NullString
	var sentAt, missing, gone sql.NullInt64
	if err := rows.Scan(append(lead, &i.ID, &i.Link, &state, &m.System, &m.Object, &record, &mstate, &token, &birth, &sentAt, &m.Sends,
		&base, &baseVer, &intent, &sent, &missing, &gone, &why, &cause, &removal, &fields)...); err != nil {
		return nil, err
	}
	i.State, m.State = mapping.IdentityState(state), mapping.MemberState(mstate)
	m.RecordID, m.Token, m.Birth, m.BaseVersion = record.String, token.String, birth.String, baseVer.String
	m.Base, m.Intent, m.Sent = rawOf(base), rawOf(intent), rawOf(sent)
	m.Missing, m.Gone, m.Why, m.Cause, m.Removal = at(missing), at(gone), why.String, cause.String, rawOf(removal)
	if !record.Valid { // once bound, no send is open
		m.SentAt = at(sentAt)
	}
	var err error
	if m.Fields, err = fieldStates(fields.String); err != nil {
		return nil, fmt.Errorf("field states of %s: %w", i.ID, err)
	}
	known := ids[i.ID]
	if known == nil {
		known = &i
		ids[i.ID] = known
	}
	known.Members = append(known.Members, m)
	return known, nil
}

// fieldStates reads what sqlMember collects of field_state. Details are opaque
// and so come as text.
func fieldStates(collected string) (map[string]store.FieldState, error) {
	if collected == "" || collected == "{}" {
		return nil, nil
	}
	var rows map[string]struct {
		State  string
		Detail *string
	}
	if err := json.Unmarshal([]byte(collected), &rows); err != nil {
		return nil, err
	}
	fs := make(map[string]store.FieldState, len(rows))
	for name, r := range rows {
		f := store.FieldState{State: r.State}
		if r.Detail != nil {
			f.Detail = json.RawMessage(*r.Detail)
		}
		fs[name] = f
	}
	return fs, nil
}

const sqlIdentity = `SELECT ` + sqlMember + ` FROM identity i JOIN member o ON o.identity_id=i.identity_id WHERE i.identity_id=?1 ORDER BY o.system`

// Identity implements the contract; nil if there is none.
func (s *Store) Identity(ctx context.Context, id string) (*store.Identity, error) {
	ids := identities{}
	err := s.read(ctx, "read identity", sqlIdentity, func(rows *sql.Rows) error {
		_, err := ids.scan(rows)
		return err
	}, id)
	return ids[id], err
}

const sqlHolders = `SELECT record_id, identity_id FROM member WHERE system=?1 AND object=?2
AND record_id IN (SELECT value FROM json_each(?3)) AND state IN ('active','quarantined')`

// Holders implements the contract.
func (s *Store) Holders(ctx context.Context, system, object string, recordIDs []string) (map[string]string, error) {
	arg, err := list(recordIDs)
	if err != nil {
		return nil, err
	}
	held := map[string]string{}
	err = s.read(ctx, "read holders", sqlHolders, func(rows *sql.Rows) error {
		var record, id string
		err := rows.Scan(&record, &id)
		held[record] = id
		return err
	}, system, object, arg)
	if err != nil {
		return nil, err
	}
	return held, nil
}

const sqlQueues = `SELECT system, object, lane,
  count(*) FILTER (WHERE not_before<=?1), count(*) FILTER (WHERE owner IS NOT NULL AND not_before>?1),
  count(*) FILTER (WHERE owner IS NULL AND not_before>?1 AND not_before<?2), count(*) FILTER (WHERE not_before=?2),
  min(first_hint) FILTER (WHERE not_before<?2)
FROM work GROUP BY system, object, lane ORDER BY system, object, lane`

// Queues implements the contract. A row whose lease ran out is due.
func (s *Store) Queues(ctx context.Context) ([]store.QueueStat, error) {
	var qs []store.QueueStat
	err := s.read(ctx, "count queues", sqlQueues, func(rows *sql.Rows) error {
		var q store.QueueStat
		var oldest sql.NullInt64
		err := rows.Scan(&q.System, &q.Object, &q.Lane, &q.Due, &q.Running, &q.Waiting, &q.Parked, &oldest)
		q.OldestDue = at(oldest)
		qs = append(qs, q)
		return err
	}, s.clock(), parked)
	return qs, err
}

const sqlWaiting = `SELECT system, object, record_id, attempts, last_error, detail, first_hint, not_before FROM work
WHERE owner IS NULL AND last_error IS NOT NULL ORDER BY first_hint, system, object, record_id LIMIT ?1`

// Waiting implements the contract: queued rows with a reason, oldest first.
func (s *Store) Waiting(ctx context.Context, limit int) ([]store.WaitingRow, error) {
	var ws []store.WaitingRow
	err := s.read(ctx, "list waiting rows", sqlWaiting, func(rows *sql.Rows) error {
		var w store.WaitingRow
		var detail sql.NullString
		var first, due sql.NullInt64
		err := rows.Scan(&w.System, &w.Object, &w.RecordID, &w.Attempts, &w.Error, &detail, &first, &due)
		w.Detail, w.FirstHint, w.Parked = rawOf(detail), at(first), due.Int64 == parked
		if !w.Parked {
			w.NotBefore = at(due)
		}
		ws = append(ws, w)
		return err
	}, limit)
	return ws, err
}

const sqlTrash = `SELECT id, system, object, record_id, identity_id, why, error, attempts, payload, at, resolved_at FROM trash
ORDER BY id DESC LIMIT ?1`

// Trash implements the contract, newest first.
func (s *Store) Trash(ctx context.Context, limit int) ([]store.TrashRow, error) {
	var ts []store.TrashRow
	err := s.read(ctx, "list trash", sqlTrash, func(rows *sql.Rows) error {
		var t store.TrashRow
		var id, problem, payload sql.NullString
		var attempts, thrown, resolved sql.NullInt64
		err := rows.Scan(&t.ID, &t.System, &t.Object, &t.RecordID, &id, &t.Why, &problem, &attempts, &payload, &thrown, &resolved)
		t.IdentityID, t.Error, t.Attempts, t.Payload = id.String, problem.String, int(attempts.Int64), rawOf(payload)
		t.At, t.ResolvedAt = at(thrown), at(resolved)
		ts = append(ts, t)
		return err
	}, limit)
	return ts, err
}

const (
	pairsDefault = 1000
	sqlPairs     = `SELECT source_system, source_object, source_id, target_system, target_object, target_id, active, canonical_id, link, created_at, created_by,
  inactive_at, inactive_why, inactive_cause FROM id_mapping`
	sqlPairsBy = ` ORDER BY created_at, canonical_id, source_system, target_system LIMIT ?`
)

// Pairs implements the contract: the pairwise view, in both directions.
func (s *Store) Pairs(ctx context.Context, q store.PairQuery) ([]store.Pair, error) {
	var conds []string
	var args []any
	for _, c := range []struct{ column, value string }{{"link", q.Link}, {"source_system", q.SourceSystem}, {"source_id", q.SourceID}, {"target_system", q.TargetSystem}} {
		if c.value != "" {
			conds, args = append(conds, c.column+"=?"), append(args, c.value)
		}
	}
	stmt := sqlPairs
	if len(conds) > 0 {
		stmt += " WHERE " + strings.Join(conds, " AND ")
	}
	args = append(args, cmp.Or(q.Limit, pairsDefault))
	var ps []store.Pair
	err := s.read(ctx, "list pairs", stmt+sqlPairsBy, func(rows *sql.Rows) error {
		var p store.Pair
		var made, ended sql.NullInt64
		var why, cause sql.NullString
		err := rows.Scan(&p.SourceSystem, &p.SourceObject, &p.SourceID, &p.TargetSystem, &p.TargetObject, &p.TargetID, &p.Active, &p.CanonicalID, &p.Link, &made, &p.CreatedBy,
			&ended, &why, &cause)
		p.CreatedAt, p.InactiveAt, p.InactiveWhy, p.InactiveCause = at(made), at(ended), why.String, cause.String
		ps = append(ps, p)
		return err
	}, args...)
	return ps, err
}

const sqlHistoryOf = `SELECT at, identity_id, system, object, record_id, cause, delivery_key, trace, action, fields, epoch FROM history
WHERE system=?1 AND object=?2 AND record_id=?3 ORDER BY id DESC LIMIT ?4`

// History implements the contract, newest first.
func (s *Store) History(ctx context.Context, system, object, recordID string, limit int) ([]store.Entry, error) {
	var es []store.Entry
	err := s.read(ctx, "read history", sqlHistoryOf, func(rows *sql.Rows) error {
		var e store.Entry
		var when, epoch sql.NullInt64
		var id, key, trace, fields sql.NullString
		err := rows.Scan(&when, &id, &e.System, &e.Object, &e.RecordID, &e.Cause, &key, &trace, &e.Action, &fields, &epoch)
		e.At, e.IdentityID, e.DeliveryKey, e.Trace, e.Fields, e.Epoch = at(when), id.String, key.String, trace.String, rawOf(fields), epoch.Int64
		es = append(es, e)
		return err
	}, system, object, recordID, limit)
	return es, err
}
