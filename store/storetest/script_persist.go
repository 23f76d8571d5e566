package storetest

import (
	"context"
	"fmt"
	"slices"

	"syncd/store"
)

// persist ends rows: some with a decision about their identity, some that only
// give a lease back, some without any.
func (p *player) persist() {
	owner, ls := p.of(p.some())
	if owner == "" {
		owner = p.owner(p.n(2))
	}
	var rows []store.Persist
	calm := false // of one call, one row changes a state, and one its keys where the order counts
	for _, l := range ls {
		row := store.Persist{Owner: owner}
		if p.n(4) == 3 {
			row.Release = []store.LeaseRef{l.LeaseRef}
		} else {
			row.Identities = []store.IdentityUpdate{p.update(l.LeaseRef, !calm)}
			calm = true
			s := p.system()
			row.History = []store.Entry{{IdentityID: l.ID, System: s, Object: p.object(s), RecordID: p.record(s), Cause: "webhook", Action: "update", Epoch: l.Epoch}}
		}
		rows = append(rows, row)
	}
	for _, f := range p.endings(owner) {
		at := slices.IndexFunc(ls, func(l lease) bool { return l.ID == f.IdentityID })
		if at < 0 {
			f.IdentityID = ""
			rows = append(rows, store.Persist{Owner: owner, Work: []store.Finish{f}})
			continue
		}
		if p.n(4) == 3 {
			f.IdentityID = "" // an echo
		}
		rows[at].Work = append(rows[at].Work, f)
	}
	times := 1 + p.n(2) // a persist that is repeated, its answer lost, changes nothing
	each(p, rows, func(rows []store.Persist) {
		all := store.Persist{Owner: owner}
		for _, r := range rows {
			all.Identities, all.Release = append(all.Identities, r.Identities...), append(all.Release, r.Release...)
			all.History, all.Work = append(all.History, r.History...), append(all.Work, r.Work...)
		}
		for range times {
			p.ended(all)
		}
	})
}

func (p *player) update(l store.LeaseRef, states bool) store.IdentityUpdate {
	u := store.IdentityUpdate{LeaseRef: l, Link: p.link()}
	for _, s := range sides {
		if q := p.truth.ids[l.ID]; q.members[s] == nil || p.n(3) == 0 {
			continue // who decides has read the members
		}
		m := store.MemberUpdate{System: s, Base: jsonOf(p.n(9)), BaseVersion: fmt.Sprint("v", p.n(9)), Birth: "first", Fields: fieldsOf(p.n(4))}
		if p.coin() {
			m.Intent, m.Sent = jsonOf(p.n(9)), jsonOf(p.n(9))
		}
		if states && p.n(3) == 2 {
			m.State = stateOf(p.n(6))
			states = false
		}
		u.Members = append(u.Members, m)
	}
	if u.SetKeys = p.n(3) == 2 && (states || !p.plain); u.SetKeys {
		for range p.n(3) {
			if k := p.key(); !slices.ContainsFunc(u.Keys, func(o store.KeyOf) bool { return o.Key == k }) {
				u.Keys = append(u.Keys, store.KeyOf{Key: k, System: crm})
			}
		}
	}
	return u
}

// endings draws how claimed rows of an owner end, zombies' too.
func (p *player) endings(owner string) []store.Finish {
	var out []store.Finish
	for range 1 + p.n(3) {
		if len(p.works) == 0 {
			break
		}
		f := p.works[len(p.works)-1-p.n(min(len(p.works), 2+p.n(modelKept)))]
		if r := p.truth.ours(f.WorkRef); r != nil && r.owner != owner || slices.ContainsFunc(out, func(o store.Finish) bool { return o.WorkRef == f.WorkRef }) {
			continue
		}
		f.Reason = "test"
		switch p.n(6) {
		case 0, 1:
			f.Disposition = store.Done
		case 2, 3:
			f.Disposition, f.After, f.Retry = store.Again, secs(p.n(4)), p.n(4) == 3
			f.Blame, f.WholeCall = p.n(3)-1, p.coin()
		case 4:
			f.Disposition = store.Parked
		default:
			f.Disposition = store.Dead
		}
		out = append(out, f)
	}
	return out
}

// ended compares one persist.
func (p *player) ended(all store.Persist) {
	got, err := p.e.Persist(context.Background(), all)
	p.must(err)
	t := p.truth
	held := map[string]bool{}
	var fenced, lost, rerun []string
	var ours []store.IdentityUpdate
	for _, r := range all.Release {
		held[r.ID] = t.leasedTo(all.Owner, r) != nil
	}
	for _, u := range all.Identities {
		if held[u.ID] = t.leasedTo(all.Owner, u.LeaseRef) != nil; held[u.ID] {
			ours = append(ours, u)
		} else {
			fenced = append(fenced, u.ID)
		}
	}
	for _, u := range ours {
		for _, m := range u.Members {
			t.write(u.ID, m)
		}
	}
	t.rekey(ours, p.holderInStore)
	for id, mine := range held {
		if mine {
			t.ids[id].owner = ""
		}
	}
	for _, h := range all.History {
		if held[h.IdentityID] {
			t.history[spot{h.System, h.RecordID}]++
		}
	}
	for _, f := range all.Work {
		gone, again := t.finish(f, func(id string) bool { return held[id] })
		if gone {
			lost = append(lost, f.System+f.RecordID)
		}
		if again {
			rerun = append(rerun, f.System+f.RecordID)
		}
	}
	p.want("fenced", got.Fenced, fenced)
	p.want("lost", names(got.Lost), lost)
	p.want("rerun", names(got.Rerun), rerun)
}

func names(ws []store.WorkRef) []string {
	var out []string
	for _, w := range ws {
		out = append(out, w.System+w.RecordID)
	}
	return out
}
