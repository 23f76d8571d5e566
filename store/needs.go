package store

import (
	"slices"
	"strings"

	"syncd/mapping"
)

// RecordRef names a record.
type RecordRef struct{ System, Object, RecordID string }

// Referent is what a reference points to.
type Referent struct {
	Asked RecordRef // zero if an identity was asked for
	// Identity is the one that the record belongs to, now or before: a record that
	// was merged away leads to the identity that goes on. nil if it is nobody's.
	Identity *RefIdentity
	// Answer is why the record is nobody's, as somebody found who needed it, "" if
	// nobody did.
	Answer string
	// Pending: the record is in the queue and nobody has to be asked about it.
	Pending bool
}

// RefIdentity is an identity as far as references to it go.
type RefIdentity struct {
	ID, Link string
	State    mapping.IdentityState
	Members  []RefMember // sorted by system
}

// RefMember is an identity's record in one system, "" while it has none.
type RefMember struct {
	System, Object, RecordID string
	State                    mapping.MemberState
}

// Need is a reference that waits until what it points to has a record on the
// side that is to be told (F64). It is met once the identity is active there.
type Need struct {
	System string // the side that is to be told
	Field  string
	// Either the identity that is pointed to or, where none is known, the record.
	Identity string
	Record   RecordRef
	Answer   string // what is known of the record already
	// Fetch has the record looked at, if nobody does already.
	Fetch bool
	// Wake is the system whose record is looked at again once the need is met.
	Wake string
}

// Answer says of a record that was looked at why it belongs to nobody.
type Answer struct {
	RecordRef
	Answer string
}

// CauseReference is the cause of hints that references make.
const CauseReference = "reference"

// FetchHint has a record looked at that a reference points to.
func FetchHint(r RecordRef) Hint {
	return Hint{System: r.System, Object: r.Object, RecordID: r.RecordID, Cause: CauseReference}
}

// WakeHint has a record looked at again that waited. Its place is as the stores
// list it: system, object and record id, a separator between.
func WakeHint(place string) Hint {
	system, rest, _ := strings.Cut(place, WakeSeparator)
	object, record, _ := strings.Cut(rest, WakeSeparator)
	return FetchHint(RecordRef{system, object, record})
}

// WakeSeparator stands between the parts of WakeHint's place.
const WakeSeparator = "\x1f" // in no id of a vendor

// MaxAliases is how many merges in a row are followed.
const MaxAliases = 10

// FollowAliases gives every identity by the id that was asked for: one that was
// merged into another is that one, as far as it is known.
func FollowAliases(known map[string]*RefIdentity, into map[string]string) map[string]*RefIdentity {
	out := make(map[string]*RefIdentity, len(known))
	for asked := range known {
		id := asked
		for range MaxAliases {
			next, merged := into[id]
			if !merged || known[next] == nil {
				break
			}
			id = next
		}
		out[asked] = known[id]
	}
	return out
}

// Gives lists the identities that get a record by a persist, or may: what waits for
// them is woken. held tells whose fence is ours.
func (p Persist) Gives(held map[string]bool) []string {
	var ids []string
	for _, i := range p.Identities {
		if !held[i.ID] {
			continue
		}
		if slices.ContainsFunc(i.Members, func(m MemberUpdate) bool { return m.State == mapping.MemberActive }) {
			ids = append(ids, i.ID)
		}
		if i.MergedInto != "" {
			ids = append(ids, i.MergedInto)
		}
	}
	for _, m := range p.Moves {
		if held[m.IdentityID] {
			ids = append(ids, m.IdentityID)
		}
	}
	return ids
}

// Merges lists the identities that a persist makes others of, by their own ids.
func (p Persist) Merges(held map[string]bool) map[string]string {
	into := map[string]string{}
	for _, i := range p.Identities {
		if held[i.ID] && i.MergedInto != "" {
			into[i.ID] = i.MergedInto
		}
	}
	return into
}

// Met lists the identities to which claims gave a record.
func Met(claims []NewIdentity, results []ClaimResult) []string {
	var ids []string
	for n, r := range results {
		switch r.Verdict {
		case VerdictNew:
			ids = append(ids, claims[n].ID)
		case VerdictJoined:
			ids = append(ids, r.IdentityID)
		}
	}
	return ids
}
