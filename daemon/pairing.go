package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/control"
	"syncd/mapping"
	"syncd/store"
)

const (
	// commandLease is how long a command holds an identity.
	commandLease = 30 * time.Second
	// leaseTries and leaseRest: an identity that the flows work on is free soon.
	leaseTries = 40
	leaseRest  = 250 * time.Millisecond
	// causeOperator is the cause of what people have done.
	causeOperator = "operator"
)

// changed is what a command on single records did, or would do.
type changed struct {
	DryRun   bool   `json:"dry_run"`
	Done     string `json:"done"` // one sentence
	Identity string `json:"identity,omitempty"`
	Link     string `json:"link,omitempty"`
}

// audited writes the line of a change before it is made: a line about something
// that a crash prevented is better than a change that nobody answers for.
func (d *Daemon) audited(ctx context.Context, c control.Call, action, target string, before, after any) error {
	b, err := json.Marshal(before)
	if err != nil {
		return err
	}
	a, err := json.Marshal(after)
	if err != nil {
		return err
	}
	return d.store.Audit(ctx, store.Audit{Actor: c.Actor, Via: viaCLI, Action: action, Target: target, Reason: c.Reason, Before: b, After: a})
}

// holder names an owner of leases for one command.
func (d *Daemon) holder() string { return fmt.Sprintf("%s-command-%08x", d.Owner, rand.Uint32()) }

// take leases an identity, waiting for the flows to be done with it.
func (d *Daemon) take(ctx context.Context, id, owner string) (*store.Identity, error) {
	for try := 0; ; try++ {
		got, busy, err := d.store.Lease(ctx, []string{id}, owner, commandLease)
		switch {
		case err != nil:
			return nil, err
		case len(got) == 1:
			return got[0], nil
		case len(busy) == 0:
			return nil, fmt.Errorf("there is no identity %s", id)
		case try >= leaseTries:
			return nil, control.Held("identity %s is being worked on: try again", id)
		}
		if err := d.Wait(ctx, leaseRest); err != nil {
			return nil, err
		}
	}
}

// asideOf is the update that makes a member inactive by a person's decision. Its row
// stays, with what it held; its open write is forgotten, for nobody reads it again.
func asideOf(i *store.Identity, m store.Member, why, cause string) store.IdentityUpdate {
	return store.IdentityUpdate{LeaseRef: store.LeaseRef{ID: i.ID, Epoch: i.Epoch}, Link: i.Link, Members: []store.MemberUpdate{{
		System: m.System, State: mapping.MemberGone, Why: why, Cause: cause, Base: m.Base, BaseVersion: m.BaseVersion, Sent: m.Sent}}}
}

// persisted commits updates of one owner; a lost lease is an error of its own.
func (d *Daemon) persisted(ctx context.Context, owner string, updates []store.IdentityUpdate, history []store.Entry) error {
	done, err := d.store.Persist(ctx, store.Persist{Owner: owner, Identities: updates, History: history})
	if err == nil && len(done.Fenced) > 0 {
		return fmt.Errorf("%d identities were taken over meanwhile: %w", len(done.Fenced), store.ErrFenced)
	}
	return err
}

func entryOf(i *store.Identity, m store.Member, action string) store.Entry {
	return store.Entry{IdentityID: i.ID, System: m.System, Object: m.Object, RecordID: m.RecordID, Cause: causeOperator, Action: action, Epoch: i.Epoch}
}

// memberOf finds a record among the active members of an identity.
func memberOf(i *store.Identity, r recordRef) (store.Member, bool) {
	n := slices.IndexFunc(i.Members, func(m store.Member) bool {
		return m.System == r.System && m.Object == r.Object && m.RecordID == r.ID && m.State.Bound()
	})
	if n < 0 {
		return store.Member{}, false
	}
	return i.Members[n], true
}

// mappingUnpair takes a record out of its identity: its member becomes inactive and
// stays in the id map, and the record does not come back by itself.
func (d *Daemon) mappingUnpair(ctx context.Context, c control.Call) (any, error) {
	var args struct {
		A, B   string // B, if given, must be A's partner
		DryRun bool
	}
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	a, err := d.parseRecord(args.A)
	if err != nil {
		return nil, err
	}
	held, err := d.store.Holders(ctx, a.System, a.Object, []string{a.ID})
	if err != nil {
		return nil, err
	}
	if held[a.ID] == "" {
		return nil, control.Held("%s is paired with nobody", a)
	}
	if err := d.arePartners(ctx, held[a.ID], a, args.B); err != nil {
		return nil, err
	}
	out := changed{DryRun: args.DryRun, Identity: held[a.ID], Done: fmt.Sprintf("%s leaves identity %s", a, held[a.ID])}
	if args.DryRun {
		return out, nil
	}
	owner := d.holder()
	i, err := d.take(ctx, held[a.ID], owner)
	if err != nil {
		return nil, err
	}
	m, ok := memberOf(i, a)
	if !ok {
		return nil, errors.Join(control.Held("%s was taken out of its identity by somebody else", a), d.store.Drop(ctx, owner))
	}
	out.Link = i.Link
	if err := d.audited(ctx, c, "mapping.unpair", a.String(), viewOf(i), map[string]string{"state": string(mapping.MemberGone), "why": mapping.WhyOperator}); err != nil {
		return nil, errors.Join(err, d.store.Drop(ctx, owner))
	}
	return out, d.persisted(ctx, owner, []store.IdentityUpdate{asideOf(i, m, mapping.WhyOperator, "unpair")}, []store.Entry{entryOf(i, m, "unpair")})
}

func (d *Daemon) arePartners(ctx context.Context, id string, a recordRef, partner string) error {
	if partner == "" {
		return nil
	}
	b, err := d.parseRecord(partner)
	if err != nil {
		return err
	}
	i, err := d.store.Identity(ctx, id)
	if err != nil {
		return err
	}
	if _, ok := memberOf(i, b); !ok {
		return control.Held("%s and %s are no pair: nothing was done", a, b)
	}
	return nil
}

// mappingRelease takes back that a record was set aside: it is met again like any
// other, at once.
func (d *Daemon) mappingRelease(ctx context.Context, c control.Call) (any, error) {
	var args struct {
		Record string
		DryRun bool
	}
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	r, err := d.parseRecord(args.Record)
	if err != nil {
		return nil, err
	}
	past, err := d.store.Past(ctx, r.System, r.Object, []string{r.ID})
	if err != nil {
		return nil, err
	}
	if len(past[r.ID]) == 0 || !mapping.SetAside(past[r.ID][0].Why) {
		return nil, control.Held("%s was not set aside by a person", r)
	}
	p := past[r.ID][0]
	out := changed{DryRun: args.DryRun, Identity: p.IdentityID, Link: p.Link, Done: r.String() + " is met again like any other record"}
	if args.DryRun {
		return out, nil
	}
	owner := d.holder()
	i, err := d.take(ctx, p.IdentityID, owner)
	if err != nil {
		return nil, err
	}
	if err := d.audited(ctx, c, "mapping.release", r.String(), map[string]string{"why": p.Why}, map[string]string{"why": mapping.WhyReleased}); err != nil {
		return nil, errors.Join(err, d.store.Drop(ctx, owner))
	}
	n := slices.IndexFunc(i.Members, func(m store.Member) bool { return m.System == r.System && m.RecordID == r.ID })
	if n < 0 {
		return nil, errors.Join(control.Held("%s was changed by somebody else", r), d.store.Drop(ctx, owner))
	}
	if err := d.persisted(ctx, owner, []store.IdentityUpdate{asideOf(i, i.Members[n], mapping.WhyReleased, "release")}, nil); err != nil {
		return nil, err
	}
	return out, d.look(ctx, r)
}

// look has a record looked at soon.
func (d *Daemon) look(ctx context.Context, records ...recordRef) error {
	hints := make([]store.Hint, len(records))
	for n, r := range records {
		hints[n] = store.Hint{System: r.System, Object: r.Object, RecordID: r.ID, Cause: causeOperator}
	}
	err := d.store.Enqueue(ctx, hints)
	d.status.wake()
	return err
}

// mappingPair makes two records one identity.
func (d *Daemon) mappingPair(ctx context.Context, c control.Call) (any, error) {
	var args struct {
		A, B, Link string
		DryRun     bool
	}
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	a, err := d.parseRecord(args.A)
	if err != nil {
		return nil, err
	}
	b, err := d.parseRecord(args.B)
	if err != nil {
		return nil, err
	}
	link, err := d.linkOf(a, b, args.Link)
	if err != nil {
		return nil, err
	}
	p := &pairing{d: d, call: c, link: link, a: a, b: b}
	if err := p.look(ctx); err != nil {
		return nil, err
	}
	out := changed{DryRun: args.DryRun, Link: link, Identity: p.id, Done: p.sentence()}
	if args.DryRun || p.done {
		return out, nil
	}
	if err := d.audited(ctx, c, "mapping.pair", a.String()+" "+b.String(), map[string]string{"identity": p.id}, nil); err != nil {
		return nil, err
	}
	if err := p.make(ctx); err != nil {
		return nil, err
	}
	out.Identity = p.id
	return out, d.look(ctx, a)
}

// linkOf finds the one link that has both objects.
func (d *Daemon) linkOf(a, b recordRef, named string) (string, error) {
	var fits []string
	for _, l := range d.Config.Links {
		has := func(r recordRef) bool {
			for _, m := range l.Members {
				if m.System == r.System && m.Object == r.Object {
					return true
				}
			}
			return false
		}
		if has(a) && has(b) && (named == "" || named == l.Name) {
			fits = append(fits, l.Name)
		}
	}
	switch {
	case a.System == b.System:
		return "", control.Usage("%s and %s are in one system: an identity has one record in each", a, b)
	case len(fits) == 0:
		return "", control.Usage("no link has both %s %s and %s %s", a.System, a.Object, b.System, b.Object)
	case len(fits) > 1:
		return "", control.Usage("the links %s have both objects: say --link", strings.Join(fits, " and "))
	}
	return fits[0], nil
}

// pairing is two records on their way to one identity.
type pairing struct {
	d     *Daemon
	call  control.Call
	link  string
	a, b  recordRef
	id    string // the identity that one of them has; "" if both are free
	free  []recordRef
	birth map[recordRef]time.Time
	done  bool // they are a pair already
}

// look finds out whose the records are, and that the free ones are there.
func (p *pairing) look(ctx context.Context) error {
	whose := map[recordRef]string{}
	for _, r := range []recordRef{p.a, p.b} {
		held, err := p.d.store.Holders(ctx, r.System, r.Object, []string{r.ID})
		if err != nil {
			return err
		}
		if whose[r] = held[r.ID]; whose[r] == "" {
			p.free = append(p.free, r)
		} else {
			p.id = whose[r]
		}
	}
	switch {
	case len(p.free) == 0 && whose[p.a] == whose[p.b]:
		p.done = true
		return nil
	case len(p.free) == 0:
		return control.Held("%s is of identity %s and %s of %s: unpair one of them first", p.a, whose[p.a], p.b, whose[p.b])
	}
	if p.id != "" {
		if err := p.fits(ctx); err != nil {
			return err
		}
	}
	p.birth = map[recordRef]time.Time{}
	for _, r := range p.free {
		rec, err := p.d.readOne(ctx, r)
		if err != nil {
			return err
		}
		p.birth[r] = rec.Born
	}
	return nil
}

// fits says that the identity of one has room for the other.
func (p *pairing) fits(ctx context.Context) error {
	i, err := p.d.store.Identity(ctx, p.id)
	if err != nil {
		return err
	}
	for _, m := range i.Members {
		if m.System == p.free[0].System && m.State.Bound() {
			return control.Held("identity %s has %s in %s already: unpair that first", p.id, recordRef{m.System, m.Object, m.RecordID}, m.System)
		}
	}
	if i.Link != p.link {
		return control.Held("identity %s is of link %s, not of %s", p.id, i.Link, p.link)
	}
	return nil
}

func (p *pairing) sentence() string {
	switch {
	case p.done:
		return fmt.Sprintf("%s and %s are a pair already", p.a, p.b)
	case p.id != "":
		return fmt.Sprintf("%s joins identity %s", p.free[0], p.id)
	}
	return fmt.Sprintf("%s and %s become one identity", p.a, p.b)
}

// make claims what is free. Each claim is one statement that takes the record only
// if nobody has it (CORRECTNESS rule 6); between two the first one is a record that
// is known and not paired yet.
func (p *pairing) make(ctx context.Context) error {
	owner := p.d.holder()
	if p.id == "" {
		first, err := p.begin(ctx, owner)
		if err != nil {
			return errors.Join(err, p.d.store.Drop(ctx, owner))
		}
		p.id, p.free = first, []recordRef{p.b}
	}
	r := p.free[0]
	got, err := p.d.store.ClaimIdentities(ctx, owner, commandLease, []store.NewIdentity{{Link: p.link, CreatedBy: causeOperator, Join: p.id, Source: p.source(r)}})
	if err = errors.Join(err, p.d.store.Drop(ctx, owner)); err != nil {
		return err
	}
	switch got[0].Verdict {
	case store.VerdictJoined:
		return nil
	case store.VerdictWait:
		return control.Held("identity %s waits for a create in %s: look at it with `syncd mapping get %s`", p.id, r.System, p.a)
	case store.VerdictErased:
		return control.Held("%s belongs to somebody who was erased", r)
	}
	return control.Held("%s was taken by somebody else meanwhile", r)
}

// births is how many identities one record may have begun before.
const births = 8

// begin makes the identity of two free records, with the first one in it. A record
// that began one before, and was unpaired from it, cannot begin that one again.
func (p *pairing) begin(ctx context.Context, owner string) (string, error) {
	tenant := p.d.tenant(p.a.System)
	for n := range births {
		id := p.d.keyring.IdentityID(mapping.Origin{Link: p.link, System: p.a.System, Tenant: tenant, Object: p.a.Object, ID: p.a.ID, Born: p.birth[p.a].Add(time.Duration(n) * time.Millisecond)})
		source := p.source(p.a)
		token, err := p.d.keyring.Token(id)
		if err != nil {
			return "", err
		}
		source.Token = token
		got, err := p.d.store.ClaimIdentities(ctx, owner, commandLease, []store.NewIdentity{{ID: id, Link: p.link, CreatedBy: causeOperator, Source: source}})
		switch {
		case err != nil:
			return "", err
		case got[0].Verdict == store.VerdictNew:
			return id, nil
		case got[0].Verdict == store.VerdictErased:
			return "", control.Held("%s belongs to somebody who was erased", p.a)
		}
	}
	return "", control.Held("%s was taken by somebody else meanwhile", p.a)
}

func (p *pairing) source(r recordRef) store.NewMember {
	m := store.NewMember{System: r.System, Object: r.Object, RecordID: r.ID, Mac: p.d.keyring.RecordHash(r.System, r.Object, r.ID)}
	if born := p.birth[r]; !born.IsZero() {
		m.Birth = fmt.Sprintf("%d", born.UnixMilli())
	}
	return m
}

// readOne reads a record that is to be paired: it must be there, and not in a bin.
func (d *Daemon) readOne(ctx context.Context, r recordRef) (connectors.Record, error) {
	n := slices.IndexFunc(d.systems, func(c *connected) bool { return c.config.Name == r.System })
	if n < 0 {
		return connectors.Record{}, control.Usage("there is no system %q", r.System)
	}
	sights, err := d.systems[n].conn.Read(ctx, r.Object, []string{r.ID}, nil)
	switch {
	case err != nil:
		return connectors.Record{}, fmt.Errorf("read %s: %w", r, err)
	case len(sights) != 1 || sights[0].Sight != connectors.SightFound:
		return connectors.Record{}, control.Held("%s shows no record %s", r.System, r)
	case sights[0].Record.ID != r.ID:
		return connectors.Record{}, control.Held("%s was merged into %s: name that one", r, sights[0].Record.ID)
	}
	return sights[0].Record, nil
}

// tenant is the account that a system answered with at the last start, "" where it
// was not asked in this process.
func (d *Daemon) tenant(system string) string {
	if e := d.status.running(); e != nil {
		return e.Tenant(system)
	}
	return ""
}
