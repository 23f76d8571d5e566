// Package storetest is the one conformance suite of the stores: every store
// passes it on its real engine.
package storetest

import (
	"context"
	"time"

	"syncd/store"
)

// Store is every method of the contract. Consumers declare the few they use.
// All methods are safe for concurrent use; each is one transaction; a method
// that meets a deadlock, a serialization failure or a busy database repeats
// its whole transaction (CORRECTNESS 3.7 P2).
type Store interface {
	// Register upserts systems and objects. Another tenant than the pinned one
	// is store.ErrOtherTenant (wrapped, naming the system), nothing written for it.
	Register(ctx context.Context, systems []store.SystemRow) error

	// Receive commits receipts and their hints; a nil error is the proof that
	// the vendor may be answered with 2xx. A known delivery key is counted and
	// suppresses nothing.
	Receive(ctx context.Context, receipts []store.Receipt) error
	// Enqueue is the coalescing upsert alone.
	Enqueue(ctx context.Context, hints []store.Hint) error

	// Due gives those of the queues that have a due row, in the order asked. It
	// only reads.
	Due(ctx context.Context, queues []store.Queue) ([]store.Queue, error)
	// Claim takes due rows of one queue and, in the same transaction, resolves
	// and leases the identities of their records.
	Claim(ctx context.Context, r store.ClaimRequest) ([]store.Claimed, error)
	// Lease takes identities that only a read revealed. Ids that exist but are
	// leased elsewhere are busy; ids that do not exist are in neither list.
	Lease(ctx context.Context, ids []string, owner string, ttl time.Duration) (leased []*store.Identity, busy []string, err error)
	// Holders finds the identities that records belong to (active or
	// quarantined members), by record id, without leasing them.
	Holders(ctx context.Context, system, object string, recordIDs []string) (map[string]string, error)
	// Past finds the identities that had records as gone or merged members, or under
	// an old id (Move), the newest first, leased or not.
	Past(ctx context.Context, system, object string, recordIDs []string) (map[string][]store.Past, error)
	// Referents finds what references point to: first the records asked for, in
	// their order, then the identities. An identity that was merged into another
	// is that one.
	Referents(ctx context.Context, records []store.RecordRef, ids []string) ([]store.Referent, error)
	// Heartbeat prolongs what is still ours and returns just that.
	Heartbeat(ctx context.Context, owner string, ttl time.Duration, work []store.WorkRef, leases []store.LeaseRef) ([]store.WorkRef, []store.LeaseRef, error)
	// Drop gives back everything an owner holds: the end of a drain.
	Drop(ctx context.Context, owner string) error

	// OpenCreates gives the time after which a record without a token may be
	// one of our own unbound creates (3.5); ok is false if none is open.
	OpenCreates(ctx context.Context, system, object string) (bornAfter time.Time, ok bool, err error)
	// ClaimIdentities claims new identities, one result per claim, same order.
	ClaimIdentities(ctx context.Context, owner string, ttl time.Duration, claims []store.NewIdentity) ([]store.ClaimResult, error)
	// SharedKeys gives those of a link's keys that are never to be matched by, since
	// more than one record of one system has them (F11).
	SharedKeys(ctx context.Context, link string, keys []store.Key) ([]store.Key, error)
	// IntendUpdates and IntendCreates commit intents before the wire and return
	// the identity ids that may be sent: fence held, no hold, not moved on.
	IntendUpdates(ctx context.Context, owner string, intents []store.UpdateIntent) ([]string, error)
	IntendCreates(ctx context.Context, owner string, intents []store.CreateIntent) ([]string, error)
	// IntendRemovals commits archives, deletes and restores before the wire, like
	// IntendUpdates; holds on deletes count, too, but not for a restore.
	IntendRemovals(ctx context.Context, owner string, intents []store.RemovalIntent) ([]string, error)
	// TakeBack clears sent_at after a definite failure of just that send.
	TakeBack(ctx context.Context, sends []store.SendRef) error
	// Bind records true facts, unfenced, and returns the identity ids bound now.
	Bind(ctx context.Context, bindings []store.Binding) ([]string, error)
	// Persist ends a batch.
	Persist(ctx context.Context, p store.Persist) (store.Persisted, error)

	// LeaseCursor takes a sweep's cursor; ok is false while another holds it.
	LeaseCursor(ctx context.Context, system, object, kind, owner string, ttl time.Duration) (c store.Cursor, ok bool, err error)
	// CommitSweep commits a page and returns how many hints it made;
	// store.ErrFenced if the cursor was taken over. It prolongs the lease by ttl.
	CommitSweep(ctx context.Context, page store.SweepPage, ttl time.Duration) (int, error)
	ReleaseCursor(ctx context.Context, ref store.CursorRef) error

	// CommitListing commits a page of a listing of all ids, as CommitSweep does.
	CommitListing(ctx context.Context, page store.Listing, ttl time.Duration) error
	// Unlisted gives, by id and after one of them, the active members that a listing
	// left out and that nobody has seen since it began.
	Unlisted(ctx context.Context, system, object string, pass int64, began time.Time, after string, limit int) ([]string, error)
	// Removals counts the identities of a link of which a record went within a time
	// and after a hold on its deletes was last released; and, where these are more
	// than over, those that it has.
	Removals(ctx context.Context, link string, within time.Duration, over int) (store.Removals, error)

	// LinkMode gives the identity mode that a link runs by; where none is known,
	// that is the given one from now on. SetLinkMode puts another in force, and tells
	// the audit in the same transaction.
	LinkMode(ctx context.Context, link, mode string) (inForce string, err error)
	SetLinkMode(ctx context.Context, link, mode string, lines ...store.Audit) error

	// CloseHold closes a safety catch; closing one that is closed changes nothing.
	CloseHold(ctx context.Context, h store.Hold) error
	ReleaseHold(ctx context.Context, system, link, what, reason, by string) error
	Holds(ctx context.Context) ([]store.Hold, error)

	// Prune deletes evidence that is older than its age, at most so many rows of
	// each kind a call, oldest first. What the flows decide by stays.
	Prune(ctx context.Context, ages store.Ages, most int) (store.Pruned, error)
	// Fence gives the newest number of the fencing sequence, or one ahead of it:
	// what is noted of it outside tells a database that lost commits (F47).
	Fence(ctx context.Context) (int64, error)

	// Audit adds lines of who did what, which nothing changes any more; Audits gives
	// the newest first.
	Audit(ctx context.Context, lines ...store.Audit) error
	Audits(ctx context.Context, limit int) ([]store.Audit, error)

	// KeepColumns takes up columns that a link runs with for the first time, and
	// notes of those it knows which are missing now; each time that one comes back is
	// counted once. Type and read-only stay as they were taken up.
	KeepColumns(ctx context.Context, columns []store.LinkColumn) error
	Columns(ctx context.Context) ([]store.LinkColumn, error)
	// Describe keeps what objects look like, for the replicas that did not ask.
	Describe(ctx context.Context, ds []store.Description) error
	Described(ctx context.Context) ([]store.Description, error)
	// PutInForce puts definitions in force, with its line of audit; false if they were
	// to be a link's first and are not. A plan that was applied, or was made under
	// another configuration, is store.ErrStale, and nothing is changed.
	PutInForce(ctx context.Context, f store.InForce) (bool, error)
	Definitions(ctx context.Context) ([]store.Definition, error)
	// Beat notes what a replica runs; Replicas lists those that were seen lately.
	Beat(ctx context.Context, r store.Replica) error
	Replicas(ctx context.Context, within time.Duration) ([]store.Replica, error)
	// WakeSuspended enqueues one record of every identity of a link that has one of
	// the rows suspended, of a side of which it is, in one of the systems.
	WakeSuspended(ctx context.Context, link string, rows, systems []string, lane store.Lane, cause string) (int, error)
	// A run is begun, given its lines, and ended: planned, done, failed. EnqueueRun
	// enqueues the records of its next lines and says how many those were.
	NewRun(ctx context.Context, r store.Run) (int64, error)
	AddRunRows(ctx context.Context, run int64, rows []store.RunRow) error
	EndRun(ctx context.Context, r store.Run) error
	Runs(ctx context.Context, id int64, state string, limit int) ([]store.Run, error)
	EnqueueRun(ctx context.Context, run int64, limit int, lane store.Lane, cause string) (int, error)
	// Identities pages through the living identities of a link, by id.
	Identities(ctx context.Context, link, after string, limit int) ([]*store.Identity, error)
	// Erase forgets a record, its identity and all that was merged into it, in one
	// transaction, and keeps a certificate of it (F44). ErrInHand: somebody else works
	// on it; nothing was done. It can be repeated.
	Erase(ctx context.Context, o store.Erasure) (store.Erased, error)
	// Tombstones finds which of the named belong to somebody who was erased.
	Tombstones(ctx context.Context, asked []store.Tombstone) (map[store.Tombstone]bool, error)
	// SettleErased decides about a record whose person was erased in another system;
	// false: it does not wait for a decision.
	SettleErased(ctx context.Context, system, object, recordID string, order store.EraseOrder) (bool, error)
	// Certificates lists the certificates of erasures, newest first.
	Certificates(ctx context.Context, limit int) ([]store.Certificate, error)

	// What people and tests look at.
	Queues(ctx context.Context) ([]store.QueueStat, error)
	Waiting(ctx context.Context, limit int) ([]store.WaitingRow, error)
	Trash(ctx context.Context, limit int) ([]store.TrashRow, error)
	Pairs(ctx context.Context, q store.PairQuery) ([]store.Pair, error)
	History(ctx context.Context, system, object, recordID string, limit int) ([]store.Entry, error)
	Identity(ctx context.Context, id string) (*store.Identity, error)

	Close() error
}
