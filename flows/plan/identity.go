package plan

// Named is how the record was seen that a key of the system of record names.
type Named string

// What the named record can be.
const (
	NamedShown    Named = "shown"
	NamedFresh    Named = "fresh"    // not shown yet, and the hint is young: it may be on its way
	NamedMissing  Named = "missing"  // not shown, in the bin, or merged into another
	NamedExcluded Named = "excluded" // fails its side's filter
)

// Seat is what the identity of the named record has in the stranger's system.
type Seat string

// The seats.
const (
	SeatNobody  Seat = "nobody"  // the named record belongs to no identity yet
	SeatFree    Seat = "free"    // no record, and no create of one went out
	SeatWaits   Seat = "waits"   // a create is open, or with a person
	SeatAnother Seat = "another" // another record
)

// KeyFacts are what is known of a stranger that carries a key of the system of
// record. Twins: other records of its own system carry the same one.
type KeyFacts struct {
	Seat  Seat
	Named Named // counts where Seat is SeatNobody
	Twins bool
}

// KeyMeans is what follows from such a key.
type KeyMeans string

// What a key can mean.
const (
	KeyJoins    KeyMeans = "joins"    // it is the identity's record here
	KeyStarts   KeyMeans = "starts"   // the named record's identity comes first, then it joins
	KeyWaits    KeyMeans = "waits"    // for the identity's open create
	KeyEarly    KeyMeans = "early"    // look again soon
	KeyTaken    KeyMeans = "taken"    // two records claim one key: a person decides
	KeyMissing  KeyMeans = "missing"  // it names nothing that is there: a person decides
	KeyExcluded KeyMeans = "excluded" // it names a record that the link leaves out
)

// MeetByKey says what a stranger's key means. Whatever is in doubt is a person's:
// two records with one key are no coin toss, and a key that names nothing must not
// make a second record of a customer that was merged or deleted there.
func MeetByKey(f KeyFacts) KeyMeans {
	switch {
	case f.Seat == SeatAnother, f.Twins:
		return KeyTaken
	case f.Seat == SeatFree:
		return KeyJoins
	case f.Seat == SeatWaits:
		return KeyWaits
	}
	switch f.Named {
	case NamedShown:
		return KeyStarts
	case NamedFresh:
		return KeyEarly
	case NamedExcluded:
		return KeyExcluded
	}
	return KeyMissing
}

// KeyMoved says that the key which a paired record shows is a person's: neither
// what it must be, nor empty, nor what it was last seen to be rightly. The last is
// written over, like an empty one: then the record of the system of record changed
// its id, and nobody touched this one.
func KeyMoved(shown, must, last string) bool {
	return shown != "" && shown != must && shown != last
}

// SharedIDMoved names the side whose shared id is another one than the pair was
// made by, "" if there is none. Sides that were all given the same new one are
// still one customer.
func SharedIDMoved(row string, sides []Side) string {
	moved, value, alike := "", "", true
	for i, s := range sides {
		n, shown := s.Values[row]
		if s.Presence == Creating || s.Presence == Unread || !shown {
			alike = false
			continue
		}
		alike = alike && (i == 0 || value == n) && n != ""
		value = n
		open := false
		if s.Intent != nil {
			_, open = s.Intent.Fields[row]
		}
		b, known := s.Base[row]
		if known && !b.Never && n != b.V && !s.Late[row] && !open && moved == "" {
			moved = s.System
		}
	}
	if alike {
		return ""
	}
	return moved
}
