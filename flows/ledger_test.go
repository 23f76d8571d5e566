package flows

import (
	"fmt"
	"testing"
	"time"
)

var ledgerStart = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func (l *ledger) doubted(now time.Time, hash string) bool {
	for _, d := range l.doubts(now, "f") {
		if d.H == hash {
			return true
		}
	}
	return false
}

// A vendor that hangs is asked again and again: the retries of one value do not
// push out of the ledger what was sent before them.
func TestRetriesOfOneValueTakeOnePlaceInTheLedger(t *testing.T) {
	var l ledger
	now := ledgerStart
	l.record(now, "f", "old", "crm")
	for range 3 * ledgerDepth {
		now = now.Add(10 * time.Second)
		l.record(now, "f", "new", "crm")
	}
	if !l.doubted(now, "old") || !l.doubted(now, "new") {
		t.Errorf("in doubt are %v", l.doubts(now, "f"))
	}
}

// Every send has its own answer: a value is out of doubt when all of its sends
// have one, or when its only send is proved to have landed. That the record shows a
// value of which one send was answered proves nothing about the others.
func TestValueIsInDoubtUntilItsLastSendIsAccountedFor(t *testing.T) {
	for sends := 1; sends <= 4; sends++ {
		t.Run(fmt.Sprint(sends, " sends"), func(t *testing.T) {
			var l ledger
			for range sends {
				l.record(ledgerStart, "f", "v", "crm")
			}
			l.landed("f", "v")
			if sends > 1 && !l.doubted(ledgerStart, "v") {
				t.Error("one landing tells of all sends")
			}
			for n := range sends - 1 {
				if l.answered("f", "v"); !l.doubted(ledgerStart, "v") {
					t.Errorf("out of doubt after %d answers", n+1)
				}
			}
			l.landed("f", "v")
			if l.doubted(ledgerStart, "v") != (sends > 1) {
				t.Errorf("in doubt: %v, after %d of %d answers and a look", sends == 1, sends-1, sends)
			}
			l.answered("f", "v")
			if l.doubted(ledgerStart, "v") {
				t.Error("in doubt though every send is accounted for")
			}
		})
	}
}

func TestDoubtEndsWithTheLateWindow(t *testing.T) {
	var l ledger
	l.record(ledgerStart, "f", "v", "crm")
	if !l.doubted(ledgerStart.Add(lateWindow), "v") || l.doubted(ledgerStart.Add(lateWindow+time.Millisecond), "v") {
		t.Error("the window is another one")
	}
}
