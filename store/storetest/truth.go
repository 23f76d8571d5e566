package storetest

import (
	"cmp"
	"time"

	"syncd/mapping"
	"syncd/store"
)

// truth is the model: what a store holds, as the laws say it, with nothing of
// how. Every call of many rows is told as its rows one after the other (I16).
// Times count from the start of the run.
type truth struct {
	now      time.Duration
	rows     map[spot]*row
	trash    map[spot]time.Duration // open since
	ids      map[string]*person
	keys     map[store.Key]*holder
	holds    map[catch]bool
	receipts map[string]int
	cursor   cursor
	seen     map[string]string // record → mark
	history  map[spot]int
	last     int64 // the highest epoch given out
}

// spot is a record's place in the truth.
type spot struct{ system, record string }

// catch is a hold that is closed.
type catch struct{ system, link, what string }

// row is a work row.
type row struct {
	lane            store.Lane
	gen, claimedGen int
	owner           string // "" if nobody works on it
	epoch           int64
	due             time.Duration
	parked          bool
	cap, attempts   int // cap 0: none
	lone            bool
	version, cause  string
	key             string // delivery key of the newest hint
	first           time.Duration
}

// person is an identity.
type person struct {
	owner   string
	epoch   int64
	until   time.Duration
	members map[string]*part
}

// part is a member.
type part struct {
	record, token, birth string
	state                mapping.MemberState
	sent                 bool // a send is open
	sends                int
	base, version        string
	intent, ledger       string // "" is NULL
	fields               map[string]string
}

// holder is who has a match key.
type holder struct {
	id     string
	shared bool
}

type cursor struct {
	owner string
	epoch int64
	until time.Duration
	pos   string
}

func newTruth() *truth {
	return &truth{rows: map[spot]*row{}, trash: map[spot]time.Duration{}, ids: map[string]*person{}, keys: map[store.Key]*holder{},
		holds: map[catch]bool{}, receipts: map[string]int{}, seen: map[string]string{}, history: map[spot]int{}}
}

func (t *truth) isDue(r *row) bool { return !r.parked && r.due <= t.now }

// bears says with how many rows at most a row may be claimed.
func bears(r *row, most int) int { return min(most, cmp.Or(r.cap, most)) }

// hint is the coalescing upsert for the hints of one call about one record.
func (t *truth) hint(hints []store.Hint) {
	last := hints[len(hints)-1]
	at := spot{last.System, last.RecordID}
	lane, delay, version, own := last.Lane, last.Delay, "", true
	for _, h := range hints {
		lane, delay, version, own = min(lane, h.Lane), min(delay, h.Delay), max(version, h.Version), own && h.Own
	}
	due := t.now + delay
	if since, open := t.trash[at]; open {
		due = max(due, since+time.Hour) // one attempt an hour (3.4)
	}
	r := t.rows[at]
	if r == nil {
		if p := t.boundTo(at); own && p != nil && p.state == mapping.MemberActive && p.intent == "" {
			return // our own mark on a quiet member (F25 layer 1)
		}
		t.rows[at] = &row{lane: lane, gen: 1, due: due, version: version, cause: last.Cause, key: last.DeliveryKey, first: t.now}
		return
	}
	r.gen++
	r.lane, r.version, r.cause, r.key = min(r.lane, lane), max(r.version, version), last.Cause, last.DeliveryKey
	if r.owner == "" && r.attempts == 0 && r.cap == 0 && (r.parked || due < r.due) {
		r.parked, r.due = false, due
	}
}

// enqueue is one call: its hints by record.
func (t *truth) enqueue(hints []store.Hint) {
	by := map[spot][]store.Hint{}
	for _, h := range hints {
		at := spot{h.System, h.RecordID}
		by[at] = append(by[at], h)
	}
	for _, hs := range by {
		t.hint(hs)
	}
}

// claimed takes a row with n rows altogether.
func (t *truth) claimed(r *row, owner string, epoch int64, lease time.Duration, n int) {
	r.owner, r.epoch, r.claimedGen, r.due, r.cap, r.lone = owner, epoch, r.gen, t.now+lease, max(1, n/2), n == 1
	if r.lone {
		r.attempts++
	}
}

func (r *row) free() { r.owner, r.claimedGen, r.lone = "", 0, false }

// ours gives a row that is still claimed under this fence.
func (t *truth) ours(w store.WorkRef) *row {
	r := t.rows[spot{w.System, w.RecordID}]
	if r == nil || r.owner == "" || r.epoch != w.Epoch {
		return nil
	}
	return r
}

// rerun has a row looked at again at once: a hint came meanwhile.
func (t *truth) rerun(r *row) {
	r.free()
	r.attempts, r.cap, r.due = 0, 0, t.now
}

// finish ends the attempt of one row (3.4, and the four cases of 3.7).
func (t *truth) finish(f store.Finish, held func(id string) bool) (lost, again bool) {
	at := spot{f.System, f.RecordID}
	r := t.ours(f.WorkRef)
	if r == nil {
		return true, false
	}
	moved := r.gen != r.claimedGen
	switch {
	case f.IdentityID != "" && !held(f.IdentityID):
		if r.lone {
			r.attempts--
		}
		r.free()
		r.cap, r.due = 0, t.now
	case f.Disposition == store.Again:
		r.free()
		r.attempts, r.due = max(0, r.attempts+f.Blame), t.now+f.After
		if f.Retry {
			r.lane = max(r.lane, store.LaneRetry)
		}
		if !f.WholeCall {
			r.cap = 0
		}
	case f.Disposition == store.Done:
		delete(t.trash, at)
		if moved {
			t.rerun(r)
		} else {
			delete(t.rows, at)
		}
		return false, moved
	case moved: // parked or dead: the news may be what it waits for
		t.rerun(r)
	case f.Disposition == store.Parked:
		t.rerun(r)
		r.parked = true
	default:
		delete(t.rows, at)
		t.trash[at] = t.now
	}
	return false, false
}

// drop is the end of a drain: nobody is blamed.
func (t *truth) drop(owner string) {
	for _, r := range t.rows {
		if r.owner == owner {
			if r.lone {
				r.attempts = max(0, r.attempts-1)
			}
			r.free()
			r.cap, r.due = 0, t.now
		}
	}
	for _, p := range t.ids {
		if p.owner == owner {
			p.owner = ""
		}
	}
	if t.cursor.owner == owner {
		t.cursor.owner = ""
	}
}

// restart is the start of the only process: all leases are free; what was
// claimed in one batch stays apart (3.10).
func (t *truth) restart() {
	for _, r := range t.rows {
		if r.owner != "" {
			r.free()
			r.due = t.now
		}
	}
	for _, p := range t.ids {
		p.owner = ""
	}
	t.cursor.owner = ""
}
