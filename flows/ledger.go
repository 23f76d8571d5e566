package flows

import (
	"slices"
	"time"

	"syncd/flows/plan"
)

// ledger remembers outbound values: those in doubt, when the newest went out
// (CORRECTNESS F32), and the last hour's writes per row (F27).
type ledger struct {
	At int64                 `json:"at,omitempty"` // Unix milliseconds
	V  map[string][]doubt    `json:"v,omitempty"`
	H  map[string][]plan.Hop `json:"h,omitempty"`
}

// doubt is a value that was sent and of which no answer came: it may land yet.
// A send whose answer is known can do nothing any more, so a person who types an
// old value again is not taken for it.
type doubt struct {
	T int64  `json:"t"` // when it was sent, Unix milliseconds
	H string `json:"h"` // keyed hash of the value
}

const (
	ledgerDepth = 8
	// echoWindow is how long after an own write a hint is likely its echo.
	echoWindow = 10 * time.Minute
	// lateWindow is how long a write without an answer may take to land.
	lateWindow = 20 * time.Minute
	// hopWindow is how long a write counts when automations fight.
	hopWindow = time.Hour
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
	ring := append(l.doubts(now, row), doubt{T: l.At, H: hash})
	l.V[row] = ring[max(0, len(ring)-ledgerDepth):]
}

// answered takes the newest send of a value out of doubt.
func (l *ledger) answered(row, hash string) {
	ring := l.V[row]
	for i := len(ring) - 1; i >= 0; i-- {
		if ring[i].H == hash {
			l.V[row] = slices.Delete(slices.Clone(ring), i, i+1)
			return
		}
	}
}

// landed takes a value out of doubt that the record is proved to have from us, if
// only one send of it is in doubt: a request lands once.
func (l *ledger) landed(now time.Time, row, hash string) {
	ring := l.doubts(now, row)
	others := slices.DeleteFunc(slices.Clone(ring), func(d doubt) bool { return d.H == hash })
	if len(others) == len(ring)-1 {
		l.V[row] = others
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
