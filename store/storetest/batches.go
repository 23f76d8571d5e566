package storetest

// batchLaws are about rows that are claimed together (CORRECTNESS 3.7).
var batchLaws = []law{
	{"HintNeverShortensALeaseOfABatch", hintNeverShortensALeaseOfABatch},
}

// A row that is claimed with others has no attempts yet; its lease holds all the same.
func hintNeverShortensALeaseOfABatch(e *env) {
	e.hint("A", "B")
	e.claim("A", "B")
	e.hint("A", "B")
	e.none()
}
