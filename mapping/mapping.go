// Package mapping is the id map as values and rules: identities, members,
// their states, and the token that a record carries. It does no I/O.
package mapping

// IdentityState is the state of an identity.
type IdentityState string

// The states of an identity (CORRECTNESS 3.2).
const (
	IdentityLive        IdentityState = "live"
	IdentityRetired     IdentityState = "retired"
	IdentityMerged      IdentityState = "merged"
	IdentityQuarantined IdentityState = "quarantined"
)

// MemberState is the state of an identity's record in one system.
type MemberState string

// The states of a member (CORRECTNESS 3.2). Creating with a send on record
// means that the outcome of that send may be open.
const (
	MemberCreating    MemberState = "creating"
	MemberUncertain   MemberState = "uncertain"
	MemberParked      MemberState = "parked"
	MemberActive      MemberState = "active"
	MemberGone        MemberState = "gone"
	MemberMerged      MemberState = "merged"
	MemberQuarantined MemberState = "quarantined"
)

// Open says that a member waits for its record to be created.
func (s MemberState) Open() bool { return s == MemberCreating || s == MemberUncertain }

// Bound says that a member's record id counts: it is unique and resolvable.
func (s MemberState) Bound() bool { return s == MemberActive || s == MemberQuarantined }
