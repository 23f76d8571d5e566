package storetest

import (
	"fmt"
	"slices"

	"syncd/store"
)

// attemptLaws say who is blamed for a failure (CORRECTNESS 3.7).
var attemptLaws = []law{
	{"AttemptsCountLoneClaimsOnly", attemptsCountLoneClaimsOnly},
	{"BatchCapHalvesAfterACrash", batchCapHalvesAfterACrash},
	{"WholeCallFailureKeepsTheCap", wholeCallFailureKeepsTheCap},
	{"OwnResultClearsTheCap", ownResultClearsTheCap},
	{"PoisonRowIsAloneAfterLog2N", poisonRowIsAloneAfterLog2N},
	{"FailureMovesToTheRetryLane", failureMovesToTheRetryLane},
}

func again(c store.Claimed, blame int) store.Finish {
	return store.Finish{WorkRef: c.WorkRef, Disposition: store.Again, Blame: blame, Error: "refused"}
}

func attemptsCountLoneClaimsOnly(e *env) {
	e.hint("A", "B")
	cs := e.claim("A", "B")
	e.equal("attempts in a batch", []int{cs[0].Attempts, cs[1].Attempts}, []int{0, 0})
	e.finish(again(cs[0], 1), again(cs[1], 0)) // A failed by itself, B was only there
	cs = e.claim("A", "B")
	e.equal("attempts in a batch", []int{cs[0].Attempts, cs[1].Attempts}, []int{1, 0})
	e.done(cs[0])
	e.finish(again(cs[1], 0))

	c := e.one("B")
	e.equal("attempts claimed alone", c.Attempts, 1)
	e.finish(again(c, -1)) // not its fault
	c = e.one("B")
	e.equal("attempts given back", c.Attempts, 1)
	e.finish(again(c, 0))
	e.equal("attempts after a failure of its own", e.one("B").Attempts, 2)
}

func numbered(prefix string, n int) []string {
	var rs []string
	for i := range n {
		rs = append(rs, fmt.Sprintf("%s%03d", prefix, i))
	}
	return rs
}

func batchCapHalvesAfterACrash(e *env) {
	e.hint(numbered("R", 8)...)
	for _, want := range []int{8, 4, 2, 1, 1} {
		for left := 8; left > 0; left -= want {
			got := e.claimAs(w1, 100, short)
			e.equal("rows of one claim", len(got), want)
			if want > 1 {
				e.equal("attempts", got[0].Attempts, 0)
			}
		}
		e.pass(4 * short)
	}
}

func wholeCallFailureKeepsTheCap(e *env) {
	e.hint(numbered("R", 8)...)
	for _, want := range []int{8, 4, 2} {
		var fs []store.Finish
		for len(fs) < 8 {
			got := e.claimAs(w1, 100, long)
			e.equal("rows of one claim", len(got), want)
			for _, c := range got {
				fs = append(fs, store.Finish{WorkRef: c.WorkRef, Disposition: store.Again, WholeCall: true})
			}
		}
		e.finish(fs...)
	}
}

func ownResultClearsTheCap(e *env) {
	e.hint(numbered("R", 8)...)
	var fs []store.Finish
	for _, c := range e.claimAs(w1, 100, long) {
		fs = append(fs, again(c, 0))
	}
	e.finish(fs...)
	e.equal("rows of one claim", len(e.claimAs(w1, 100, long)), 8)
}

// poisonRowIsAloneAfterLog2N: a record that kills whoever works on it is
// claimed alone after log2 N crashes, and no sibling pays with more than its
// own lone claim.
func poisonRowIsAloneAfterLog2N(e *env) {
	const poison = "R042"
	e.hint(numbered("R", 100)...)
	siblings, crashes, alone := 0, 0, false
	for idle := 0; siblings < 99 || !alone; {
		got := e.claimAs(w1, 100, short)
		if len(got) == 0 {
			if idle++; idle > 100 {
				e.t.Fatalf("%d siblings done of 99, nothing is due", siblings)
			}
			e.pass(2 * short)
			continue
		}
		bad := slices.Contains(recordsOf(got), poison)
		for _, c := range got {
			if c.Attempts > 1 {
				e.t.Fatalf("%s has %d attempts", c.RecordID, c.Attempts)
			}
		}
		switch {
		case bad && len(got) == 1:
			alone = true
			e.finish(store.Finish{WorkRef: got[0].WorkRef, Disposition: store.Dead, Reason: "too many attempts"})
		case bad:
			if crashes++; crashes > 7 {
				e.t.Fatal("not alone after 7 crashes of 100 rows")
			}
		default:
			siblings += len(got)
			e.done(got...)
		}
	}
	e.equal("siblings done", siblings, 99)
	e.none()
}

func failureMovesToTheRetryLane(e *env) {
	e.hint("A")
	f := again(e.one("A"), 0)
	f.Retry = true
	e.finish(f)
	e.same("live lane", recordsOf(e.claimAs(w1, 10, long)), nil)
	got := e.claimFrom(crm, contacts, store.LaneRetry, w1, 10, long)
	e.same("retry lane", recordsOf(got), []string{"A"})

	sweep := hintOf(crm, contacts, "S")
	sweep.Lane = store.LaneSweep
	e.ok(e.Enqueue(e.ctx, []store.Hint{sweep}))
	f = again(e.claimFrom(crm, contacts, store.LaneSweep, w1, 1, long)[0], 0)
	f.Retry = true
	e.finish(f) // a failure never makes a row more urgent
	e.same("sweep lane", recordsOf(e.claimFrom(crm, contacts, store.LaneSweep, w1, 1, long)), []string{"S"})
}
