package flows

import (
	"context"
	"fmt"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// absence is how a batch saw that a member's record is not where it was.
type absence struct {
	sight connectors.Sight // archived or missing; "" if it is there
	told  string           // the cause of the hint about this very record, "" if it had none
	why   string           // the evidence, once there is some
}

// Evidence that a record went (CORRECTNESS F37). Labels of gone_why.
const (
	whyArchived = "archived" // in the vendor's bin, which shows it
	whyDeleted  = "deleted"  // the vendor proves it, or told of it
	whyUnlisted = "unlisted" // a listing of all ids left it out
	whyRemoved  = "removed"  // by us, because the record of another system went
)

// change is what is to be written about a record's end.
type change struct {
	moved   bool
	state   mapping.MemberState // "" leaves it
	missing bool
	why     string
	cause   string
	reopen  bool     // the claim is to wait for a new record
	removal *removal // open: sent or about to be, not yet proved
}

// removal is a record's end, or its return, that was committed before the call.
type removal struct {
	Op connectors.Op `json:"op"`
	At int64         `json:"at"` // Unix milliseconds
	// Old are the records that a claim had before it was used again: in the bin they
	// carry its token still.
	Old []string `json:"old,omitempty"`
}

// opReopen marks a claim that is used again.
const opReopen connectors.Op = "reopen"

// over is what is remembered when nothing is open any more.
func (r *removal) over() *removal {
	if r == nil || len(r.Old) == 0 {
		return nil
	}
	return &removal{Op: opReopen, At: r.At, Old: r.Old}
}

// takes says that a removal takes the record away.
func (r *removal) takes() bool {
	return r != nil && (r.Op == connectors.Archive || r.Op == connectors.Delete)
}

// removalLate is how long a removal without proof may still land on a record that is
// there: until then it is remembered whose doing it is.
const removalLate = 15 * time.Minute

// noted is a removal that is about to be made, with what is remembered of the claim.
func (c *change) noted(op connectors.Op, now time.Time) *removal {
	r := &removal{Op: op, At: now.UnixMilli()}
	if c.removal != nil {
		r.Old = c.removal.Old
	}
	return r
}

func (c *change) into(mu *store.MemberUpdate) {
	if c.removal != nil {
		mu.Removal = encode(c.removal)
	}
	mu.Why, mu.Cause, mu.Missing = c.why, c.cause, c.missing
	if c.state != "" {
		mu.State = c.state
	}
}

// all are the unit's members, those that went included.
func (u *unit) all() []*member {
	if len(u.gone) == 0 {
		return u.members
	}
	return append(append([]*member(nil), u.members...), u.gone...)
}

// back takes in that the record is there: what was said about its end is over. A
// removal of ours may still land, so that is kept in mind for a while.
func (m *member) back(now time.Time) {
	m.lost = absence{}
	if !m.stored.Missing.IsZero() || m.stored.State == mapping.MemberGone {
		m.fate.moved, m.fate.state = true, mapping.MemberActive
	}
	if r := m.fate.removal; r != nil && r.Op != opReopen && now.Sub(time.UnixMilli(r.At)) > removalLate {
		m.fate.moved, m.fate.removal = true, r.over()
	}
}

// went says that a member's record is gone for good or until it is restored.
func (m *member) went(why, cause string) {
	m.fate = change{moved: true, state: mapping.MemberGone, why: why, cause: cause, removal: m.fate.removal.over()}
}

// causeOf names the hint that told, for the id map.
func causeOf(w store.Work) string {
	return strings.TrimSpace(w.Cause + " " + w.DeliveryKey)
}

// missed is the member of a unit whose record went by itself; ours is one that we
// removed, or may have.
func (u *unit) missed() (missed, ours *member) {
	for _, m := range u.members {
		switch {
		case m.lost.sight == "" || m.fate.state == mapping.MemberGone: // or what we have just removed
		case m.fate.removal.takes():
			ours = m
		case missed == nil || m.stored.System == u.source:
			missed = m
		}
	}
	return missed, ours
}

// sending says that a create of the unit is in doubt: what it made is looked up
// before anything is removed.
func (u *unit) sending() bool {
	for _, m := range u.members {
		if m.side.Presence == plan.Creating && !m.stored.SentAt.IsZero() && !m.resend {
			return true
		}
	}
	return false
}

// losses brings the units of which a record is not there to their end: evidence,
// grace, and what the link says is to follow (CORRECTNESS 3.8).
// A unit with a create in doubt is looked at when that is settled: last is the second
// and last time in a batch.
func (b *batch) losses(ctx context.Context, last bool) {
	var list, lost []*unit
	for _, u := range b.open() {
		missed, ours := u.missed()
		switch {
		case missed == nil && ours == nil:
		case !u.sending():
			lost = append(lost, u)
		case last:
			b.endUnit(u, "settling", store.Finish{Disposition: store.Again, After: unknownDelay, Blame: b.unblamed(u.rows[0])})
		}
	}
	b.readUnread(ctx, lost)
	for _, u := range lost {
		missed, ours := u.missed()
		switch {
		case u.ended != nil:
		case missed == nil: // what we removed for the sake of a record that is back
			b.bringBack(ctx, u, []*member{ours})
		default:
			list = append(list, u)
		}
	}
	list = b.proved(ctx, list)
	if len(list) == 0 {
		return
	}
	for _, u := range list {
		if u.ended == nil && u.link.Delete.removes(u.lostIn()) {
			b.breaker(ctx, u)
		}
	}
	var due []*unit
	for _, u := range list {
		if u.ended == nil && b.graceOver(u) && b.sameTenant(ctx, u, u.lostIn()) {
			due = append(due, u)
		}
	}
	b.follow(ctx, due)
}

// lostIn is the system in which the unit's record went.
func (u *unit) lostIn() string {
	m, _ := u.missed()
	return m.stored.System
}

// proved keeps the units of which it is proved that the record went. A missing
// record is no evidence (F37): the vendor is asked what became of it, which also
// tells a merge from a delete (F41).
func (b *batch) proved(ctx context.Context, list []*unit) []*unit {
	var out []*unit
	for _, u := range list {
		m, _ := u.missed()
		switch {
		case m.lost.sight == connectors.SightArchived:
			m.lost.why = whyArchived // it is shown, so it is its own canary
		case !m.stored.Missing.IsZero():
			m.lost.why = m.stored.Why // proved before
		default:
			b.locate(ctx, u, m)
		}
		if u.ended == nil {
			out = append(out, u)
		}
	}
	return out
}

// locate asks the vendor what became of a record that it does not show.
func (b *batch) locate(ctx context.Context, u *unit, m *member) {
	at, err := b.systems[m.stored.System].Conn.Locate(ctx, m.stored.Object, m.stored.RecordID, u.token)
	b.beat.progress()
	if err != nil {
		b.endUnit(u, "locate", b.outcome(u.rows[0], b.trouble(m.stored.System, err)))
		return
	}
	if b.relocated(ctx, u, m, at) { // the loser of a merge is no deletion (F41)
		return
	}
	park := func(reason, words string) {
		b.endUnit(u, reason, store.Finish{Disposition: store.Parked, Reason: reason, Error: words})
	}
	reason := "missing"
	if m.stored.System != u.source {
		reason = "partner_missing"
	}
	switch at.Place {
	case connectors.PlaceDeleted: // the connector has read a canary, see its Locate
		if m.object.TracesOwnOnly && m.stored.Sends == 0 {
			park(reason, m.where()+" is gone: deleted, or merged into another one, which leaves no trace there of a record that syncd did not make. Nothing follows: archive its partner, or merge it, by hand")
			return
		}
		m.lost.why = whyDeleted
	case connectors.PlaceArchived:
		m.lost.why = whyArchived
	case connectors.PlaceDenied:
		park("denied", "the credential may not see "+m.where())
	case connectors.PlaceHere:
		b.endUnit(u, "not_seen_yet", store.Finish{Disposition: store.Again, After: b.between(time.Second, 2*time.Second), Blame: b.unblamed(u.rows[0])})
	default:
		switch told := m.lost.told; {
		case at.Place == connectors.PlaceRenamed:
			park(reason, m.where()+" is record "+at.ID+" now")
		case told != store.CauseDeletion && told != store.CauseUnlisted:
			park(reason, m.where()+" is not shown, which is no proof that it was deleted")
		case !b.canary(ctx, place{m.stored.System, m.stored.Object}, m.stored.RecordID):
			park(reason, m.where()+" is not shown, and nor is any other record")
		case told == store.CauseUnlisted:
			m.lost.why = whyUnlisted
		default:
			m.lost.why = whyDeleted
		}
	}
}

// canary says that another record of an object can be read with the credential that
// does not show this one (F37).
func (b *batch) canary(ctx context.Context, at place, id string) bool {
	for _, r := range b.rows {
		if at == b.place && r.sight != nil && r.sight.Sight == connectors.SightFound && r.work.RecordID != id {
			return true
		}
	}
	page, err := b.systems[at.system].Conn.List(ctx, at.object, connectors.Query{Limit: 2})
	b.beat.progress()
	if err != nil {
		b.trouble(at.system, err)
		return false
	}
	for _, r := range page.Records {
		if r.ID != id && !r.Archived {
			return true
		}
	}
	return false
}

// tenantPatience is how long it counts that a system was seen to be its account.
const tenantPatience = 10 * time.Minute

// sameTenant makes sure that a system is the account that it was at start: another
// one has none of our records (F37, F54).
func (b *batch) sameTenant(ctx context.Context, u *unit, system string) bool {
	b.mu.Lock()
	seen := b.tenants[system]
	b.mu.Unlock()
	if b.Now().Sub(seen) < tenantPatience {
		return true
	}
	info, err := b.systems[system].Conn.Probe(ctx, nil)
	b.beat.progress()
	switch {
	case err != nil:
		b.endUnit(u, "tenant", b.outcome(u.rows[0], b.trouble(system, err)))
		return false
	case info.Tenant != b.systems[system].Info.Tenant:
		b.Logger.Error("the system is another account than at start: nothing that is missing there counts as deleted", "event", "tenant.changed", "system", system)
		b.endUnit(u, "tenant", store.Finish{Disposition: store.Parked, Reason: "tenant", Error: system + " is connected to another account than at start"})
		return false
	}
	b.mu.Lock()
	b.tenants[system] = b.Now()
	b.mu.Unlock()
	return true
}

// graceOver notes since when a record is missing, and says that it has been so long
// enough. Until then the unit waits, at no cost.
func (b *batch) graceOver(u *unit) bool {
	m, _ := u.missed()
	wait := u.link.Delete.Grace
	if m.stored.Missing.IsZero() {
		m.fate.moved, m.fate.missing = true, true
		m.fate.why, m.fate.cause = m.lost.why, causeOf(u.rows[0].work)
	} else if wait -= b.Now().Sub(m.stored.Missing); wait <= 0 {
		return true
	}
	b.endUnit(u, "missing", store.Finish{Disposition: store.Again, After: max(0, wait), Blame: b.unblamed(u.rows[0]),
		Error: fmt.Sprintf("%s is gone (%s): acted on when it has been so for %s", m.where(), m.lost.why, u.link.Delete.Grace)})
	return false
}
