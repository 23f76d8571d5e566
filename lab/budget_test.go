package lab

import (
	"testing"
	"time"
)

// TestOverdrawnSeesOneCallTooMany: the yardstick of I11 itself.
func TestOverdrawnSeesOneCallTooMany(t *testing.T) {
	at := func(ms ...int) (out []time.Time) {
		for _, n := range ms {
			out = append(out, start.Add(time.Duration(n)*time.Millisecond))
		}
		return out
	}
	for _, c := range []struct {
		name string
		seen []time.Time
		most int
		want int
	}{
		{"none", nil, 1, 0},
		{"as many as allowed", at(0, 10, 20), 3, 0},
		{"one more", at(0, 10, 20), 2, 3},
		{"the next window begins where this one ends", at(0, 1000, 2000), 1, 0},
		{"a millisecond too early", at(0, 999), 1, 2},
		{"across two calendar seconds", at(900, 950, 1100), 2, 3},
		{"in no order", at(1999, 0, 1000), 1, 2},
	} {
		if got, _ := overdrawn(c.seen, c.most, time.Second); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestTightBudgetsAreKept: I11 where it bites. A limiter that nothing meets
// would prove nothing, so calls have to wait.
func TestTightBudgetsAreKept(t *testing.T) {
	o := options(t)
	o.Tight = true
	total, failed := playMany(t, o, 1, tightSeeds)
	for _, r := range failed {
		report(t, r)
	}
	if total.Waits < tightSeeds {
		t.Errorf("%d calls of %d seeds waited for their turn", total.Waits, tightSeeds)
	}
}

const tightSeeds = 8
