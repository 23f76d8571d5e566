package flows

import (
	"maps"
	"slices"
	"time"

	"syncd/flows/plan"
)

// ledger remembers outbound values: those in doubt, when the newest went out
// (CORRECTNESS F32), the last hour's writes per row, and when frozen rows thaw (F27).
type ledger struct {
	At int64                 `json:"at,omitempty"` // Unix milliseconds
	V  map[string][]doubt    `json:"v,omitempty"`
	H  map[string][]plan.Hop `json:"h,omitempty"`
	F  map[string]freeze     `json:"f,omitempty"`
	K  map[string]string     `json:"k,omitempty"` // edits read and not agreed: see keep
	// Key is the key of the system of record that the side was last seen to carry
	// rightly: what tells a person's change from one of ours.
	Key string `json:"key,omitempty"`
}

// freeze is the how many-th freeze of a row in one fight it is, and when it ends.
type freeze struct {
	N int   `json:"n"`
	T int64 `json:"t"` // Unix milliseconds
}

// doubt is a value that was sent and of which no answer came: it may land yet.
// A send whose answer is known can do nothing any more, so a person who types an
// old value again is not taken for it.
type doubt struct {
	T int64  `json:"t"`           // when it was sent last, Unix milliseconds
	H string `json:"h"`           // keyed hash of the value
	N int    `json:"n,omitempty"` // how often it was sent before
	// A: another send of it was answered. That the record shows the value says
	// nothing about this one then.
	A bool `json:"a,omitempty"`
}

const (
	ledgerDepth = 8
	// echoWindow is how long after an own write a hint is likely its echo.
	echoWindow = 10 * time.Minute
	// lateWindow is how long a write without an answer may take to land.
	lateWindow = 20 * time.Minute
	// hopWindow is how long a write counts when automations fight.
	hopWindow = time.Hour
	// longestFreeze bounds the pause between two tries to settle a row over which
	// two automations fight. It is also how long a fight is remembered.
	longestFreeze = 24 * time.Hour
)

func (l *ledger) record(now time.Time, row, hash, from string) {
	l.At = now.UnixMilli()
	if from != "" {
		if l.H == nil {
			l.H = map[string][]plan.Hop{}
		}
		hops := append(slices.Clone(l.hops(now, row)), plan.Hop{T: l.At, From: from})
		l.H[row] = hops[max(0, len(hops)-ledgerDepth):]
	}
	if l.V == nil {
		l.V = map[string][]doubt{}
	}
	// A value that is sent again and again takes one place, or a vendor that hangs
	// would push everything else out.
	ring, again := l.doubts(now, row), doubt{T: l.At, H: hash}
	if i := slices.IndexFunc(ring, again.same); i >= 0 {
		again.N, again.A = ring[i].N+1, ring[i].A
		ring = slices.Delete(ring, i, i+1)
	}
	ring = append(ring, again)
	l.V[row] = ring[max(0, len(ring)-ledgerDepth):]
}

// same says that two doubts are about one value.
func (d doubt) same(o doubt) bool { return d.H == o.H }

// decided forgets what was kept of a row that a decision writes over: the edit lost
// there, or its side had moved on from it.
func (l *ledger) decided(row string) {
	if _, kept := l.K[row]; kept {
		l.K = maps.Clone(l.K)
		delete(l.K, row)
	}
}

// answered takes one send of a value out of doubt.
func (l *ledger) answered(row, hash string) {
	ring := slices.Clone(l.V[row])
	i := slices.IndexFunc(ring, doubt{H: hash}.same)
	switch {
	case i < 0:
		return
	case ring[i].N > 0:
		ring[i].N, ring[i].A = ring[i].N-1, true
	default:
		ring = slices.Delete(ring, i, i+1)
	}
	l.V[row] = ring
}

// landed takes a value out of doubt that the record is proved to have from us, if
// only one send of it is in doubt and no other was answered: a request lands once.
func (l *ledger) landed(row, hash string) {
	ring := slices.Clone(l.V[row])
	if i := slices.IndexFunc(ring, doubt{H: hash}.same); i >= 0 && ring[i].N == 0 && !ring[i].A {
		l.V[row] = slices.Delete(ring, i, i+1)
	}
}

// doubts gives the sends of a row that may still land.
func (l *ledger) doubts(now time.Time, row string) []doubt {
	since := now.Add(-lateWindow).UnixMilli()
	return slices.DeleteFunc(slices.Clone(l.V[row]), func(d doubt) bool { return d.T < since })
}

// hops gives the writes of a row that still count.
func (l *ledger) hops(now time.Time, row string) []plan.Hop {
	since := now.Add(-hopWindow).UnixMilli()
	i := slices.IndexFunc(l.H[row], func(h plan.Hop) bool { return h.T > since })
	if i < 0 {
		return nil
	}
	return l.H[row][i:]
}

// frozen says that a row has not thawed by the clock.
func (l *ledger) frozen(now time.Time, row string) bool { return l.F[row].T > now.UnixMilli() }

func (l *ledger) freeze(row string, f freeze) {
	if l.F == nil {
		l.F = map[string]freeze{}
	}
	l.F[row] = f
}

// nextFreeze keeps a row as it is for an hour, and twice as long as the last time
// while the same fight goes on: a fight that never ends costs a few writes a day.
func nextFreeze(now time.Time, last freeze) freeze {
	if time.UnixMilli(last.T).Add(longestFreeze).Before(now) {
		last.N = 0
	}
	pause := longestFreeze
	if last.N < maxDoublings {
		pause = min(longestFreeze, hopWindow<<last.N)
	}
	return freeze{N: last.N + 1, T: now.Add(pause).UnixMilli()}
}

// maxDoublings is where hopWindow is past longestFreeze.
const maxDoublings = 5
