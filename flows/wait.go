package flows

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"syncd/store"
)

const (
	// longestWait is how often, at the least, a record is looked at that waits for
	// a create under way: longer each time, for each look costs a read.
	longestWait = 30 * time.Second
	// ordinaryWait is how long two that meet may take without anybody asking why:
	// nearly always the other one is done by then.
	ordinaryWait = time.Minute
	// longestMeeting bounds the wait of a row whose identity another batch holds. That
	// batch is done in a second, or dead: then its lease has up to a minute to run,
	// and to ask a hundred times would not shorten it.
	longestMeeting = 5 * time.Second
)

// meetAgain ends the attempt of a row that met another one: the other goes first.
// It comes back in 0.3 to 1 s (3.7), and less and less often.
func (b *batch) meetAgain(r *row) store.Finish {
	age := max(0, b.Now().Sub(r.work.FirstHint))
	after := b.between(300*time.Millisecond, time.Second) + min(age/8, longestMeeting)
	return store.Finish{Disposition: store.Again, After: after, Blame: b.unblamed(r)}
}

// waitFor ends a stranger whose business key belongs to an identity of which the
// create here is not bound: the stranger may be its record. While the create is
// under way it comes back. Once that is a person's business (a create without an
// answer in class blind, several candidates, a link that only proposes), the
// stranger waits for the person too.
func (b *batch) waitFor(ctx context.Context, s *stranger, identityID string) {
	age := max(0, b.Now().Sub(s.row.work.FirstHint))
	again := store.Finish{Disposition: store.Again, After: b.between(time.Second, 2*time.Second), Blame: b.unblamed(s.row)}
	again.After += min(age/4, longestWait)
	if age < ordinaryWait {
		b.end(s.row, "create_under_way", again)
		return
	}
	leased, _, err := b.lookAt(ctx, identityID)
	if err != nil {
		b.end(s.row, "store", b.storeTrouble(s.row, err))
		return
	}
	for _, i := range leased {
		at := slices.IndexFunc(i.Members, func(m store.Member) bool { return m.System == b.place.system })
		if at >= 0 && (i.Members[at].State.Open() || i.Members[at].State.Bound()) {
			continue // it will be bound or parked, or is bound since
		}
		reason, words := "asked", "this record may belong to one that waits for a person's decision; see identity "+i.ID
		if at >= 0 && !i.Members[at].SentAt.IsZero() {
			reason = "uncertain_create"
			words = "a create in " + b.place.system + " got no answer, and this record may be what it made: check by hand"
		}
		detail, err := json.Marshal(map[string]any{"identity": i.ID})
		if err != nil {
			detail = nil
		}
		b.end(s.row, reason, store.Finish{Disposition: store.Parked, Reason: reason, Detail: detail, Error: words})
		return
	}
	b.end(s.row, "create_under_way", again)
}

// taken ends a stranger whose identity is somebody's already: another replica
// claimed the record at the same time, and it comes back. Or, after a loss of
// the database, its partner brought the identity back by its token and a second
// record was made here: one of the two is surplus (F47), and coming back would
// change nothing.
func (b *batch) taken(ctx context.Context, s *stranger) {
	again := b.meetAgain(s.row)
	if b.Now().Sub(s.row.work.FirstHint) < ordinaryWait {
		b.end(s.row, "taken", again)
		return
	}
	leased, _, err := b.lookAt(ctx, s.id)
	if err != nil {
		b.end(s.row, "store", b.storeTrouble(s.row, err))
		return
	}
	for _, i := range leased {
		at := slices.IndexFunc(i.Members, func(m store.Member) bool { return m.System == b.place.system })
		switch {
		case at < 0 || i.Members[at].RecordID == s.row.work.RecordID:
		case i.Members[at].RecordID == "": // it is the record that the identity began with
			b.bindEcho(ctx, s, i)
			return
		default:
			b.surplus(s, i, &i.Members[at])
			return
		}
	}
	b.end(s.row, "taken", again)
}
