package lab

import (
	"context"
	"time"

	"syncd/mapping"
)

// merges are the scenes in which people merge records: in HubSpot, which keeps an id
// or makes a new one, and in Odoo, which unlinks the loser.
func merges() []scene {
	one := func(g *stage) { g.born(1, crm) }
	two := func(g *stage) { g.born(1, crm); g.born(2, crm) }
	fromERP := func(g *stage) { g.born(1, erp); g.born(2, erp) }
	var out []scene
	for _, m := range []struct {
		where, system string
		newID         bool
	}{{"in HubSpot, to a new id", crm, true}, {"in HubSpot, which keeps the id", crm, false}, {"in Odoo", erp, false}} {
		system, other := m.system, map[string]string{crm: erp, erp: crm}[m.system]
		set := func(d *swarm) { d.mergeNewID = m.newID }
		left := func(g *stage) {
			g.pairedWell(1)
			g.count(1, other, 1)
			g.count(2, other, 1)
			g.waits(2, other, "orphan")
		}
		alone := func(g *stage) { g.pairedWell(1); g.count(1, other, 1); g.calm(1) }
		out = append(out, scene{
			name: "two paired records are merged " + m.where, set: set, before: two,
			play: func(g *stage) { g.merge(system, g.key(1, system).id, g.key(2, system).id, 1) }, expect: left,
		}, scene{
			name: "two paired records, born in the other system, are merged " + m.where, set: set,
			before: map[string]func(g *stage){crm: fromERP, erp: two}[system],
			play:   func(g *stage) { g.merge(system, g.key(1, system).id, g.key(2, system).id, 1) }, expect: left,
		}, scene{
			name: "two paired records are merged " + m.where + ", and the one left over is edited", set: set, before: two,
			play: func(g *stage) {
				g.merge(system, g.key(1, system).id, g.key(2, system).id, 1)
				g.after(30*time.Second, func() { g.edit(2, other, map[string]string{"city": "Brno"}) })
			},
			expect: left,
		}, scene{
			name: "two paired records are merged " + m.where + ", and the partner of the survivor is edited", set: set, before: two,
			play: func(g *stage) {
				g.merge(system, g.key(1, system).id, g.key(2, system).id, 1)
				g.after(3*time.Second, func() { g.edit(1, other, map[string]string{"city": "Brno"}) })
			},
			expect: func(g *stage) { left(g); g.holds(1, address, "Brno") },
		}, scene{
			name: "a stranger is merged into a paired record " + m.where, set: set, before: one,
			play: func(g *stage) { g.merge(system, g.key(1, system).id, g.twin(system), 1) }, expect: alone,
		}, scene{
			name: "a paired record is merged into a stranger " + m.where, set: set, before: one,
			play: func(g *stage) { g.merge(system, g.twin(system), g.key(1, system).id, 1) }, expect: alone,
		})
		if system == erp {
			continue // a webhook of Odoo that finds nobody home is lost, and with it the second unlink
		}
		out = append(out, scene{
			name: "a merge of a merge " + m.where, set: set,
			before: func(g *stage) { two(g); g.born(3, crm) },
			play: func(g *stage) {
				first := g.merge(system, g.key(1, system).id, g.key(2, system).id, 1)
				third := g.key(3, system).id
				g.after(5*time.Second, func() { g.merge(system, first, third, 1) })
			},
			expect: func(g *stage) { left(g); g.waits(3, other, "orphan") },
		})
	}
	return out
}

// twin makes a second record of person 1, of which nobody tells before it is merged.
func (g *stage) twin(system string) (id string) {
	values := map[string]string{"full_name": "Jan Twin"}
	g.deaf(func() {
		var err error
		if id, err = g.create(system, values); err != nil {
			g.wrong("no twin can be made in %s: %v", system, err)
		}
	})
	g.owner[recordKey{system, id}] = g.person(1)
	return id
}

// merge lets a person merge a record into another, which is of person n then.
func (g *stage) merge(system, primary, loser string, n int) (survivor string) {
	var err error
	if survivor = primary; system == crm {
		survivor, err = g.hubspot().UserMerge(contacts, primary, loser)
	} else {
		err = g.odoo().UserMerge(number(primary), number(loser))
	}
	if err != nil {
		g.wrong("%s %s and %s cannot be merged: %v", system, primary, loser, err)
		return ""
	}
	g.owner[recordKey{system, survivor}] = g.person(n)
	for row, v := range g.canonical(system, g.values(recordKey{system, survivor})) {
		g.person(n).add(row, &node{value: v, first: true, system: system, at: g.s.now}) // what the merge left there
	}
	return survivor
}

// pairedWell expects that person n's records are one pair, and know each other.
func (g *stage) pairedWell(n int) {
	a, b := g.key(n, crm), g.key(n, erp)
	holders := map[recordKey]string{}
	for _, k := range []recordKey{a, b} {
		held, err := g.db.Holders(context.Background(), k.system, g.vendors[k.system].object, []string{k.id})
		if err != nil {
			g.wrong("holders: %v", err)
		}
		holders[k] = held[k.id]
	}
	if holders[a] == "" || holders[a] != holders[b] {
		g.wrong("%v is of %q and %v of %q, want one identity", a, holders[a], b, holders[b])
		return
	}
	i, err := g.db.Identity(context.Background(), holders[a])
	if err != nil || i == nil || i.State != mapping.IdentityLive {
		g.wrong("identity %v, %v: want it live", i, err)
		return
	}
	token, err := g.keyring.Token(i.ID)
	if err != nil {
		g.wrong("token: %v", err)
	}
	va, vb := g.values(a), g.values(b)
	if va["erp_id"] != b.id || vb["x_crm_id"] != a.id || va["syncd_ref"] != token || vb["x_syncd_ref"] != token {
		g.wrong("%v shows %q, %q and %v shows %q, %q, want each other's ids and %s", a, va["erp_id"], va["syncd_ref"], b, vb["x_crm_id"], vb["x_syncd_ref"], token)
	}
}

// calm expects that nothing of person n waits for anybody.
func (g *stage) calm(n int) {
	rows, err := g.db.Waiting(context.Background(), 1000)
	if err != nil {
		g.wrong("waiting: %v", err)
	}
	for _, r := range rows {
		if p := g.owner[recordKey{r.System, r.RecordID}]; r.Parked && p != nil && p.n == n {
			g.wrong("%s %s waits: %s", r.System, r.RecordID, r.Error)
		}
	}
}
