package store

import "time"

// Ages say how old evidence may grow before Prune takes it; 0 keeps it for ever.
// What the flows decide by (identities, members, bases, open trash, parked work)
// has no age: it is never pruned.
type Ages struct {
	Deliveries time.Duration // receipts of webhooks
	History    time.Duration // what was written, and why
	Trash      time.Duration // trash that a person has settled
}

// Pruned counts the rows that one Prune took.
type Pruned struct {
	Deliveries, History, Trash int
}
