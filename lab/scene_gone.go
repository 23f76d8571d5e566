package lab

import (
	"context"
	"time"

	"syncd/flows"
	"syncd/flows/plan"
)

// Times of the scenes in which records go.
const (
	sceneGrace = time.Minute
	muchLater  = 20 * time.Minute
)

// deletes lets a link pass deletions on.
func deletes(policy plan.Removal, wins plan.Wins) func(g *stage) {
	return func(g *stage) {
		g.link.Delete = flows.Delete{From: map[string]plan.Removal{crm: policy, erp: policy}, Wins: wins, Grace: sceneGrace}
	}
}

// removals are the scenes in which people delete, and what they deleted comes back.
// There is always somebody else, whom nobody touches.
func removals() []scene {
	two := func(g *stage) { g.born(1, crm); g.born(2, erp) }
	archive := deletes(plan.RemovalArchive, plan.WinsUpdate)
	other := func(g *stage) { g.count(2, crm, 1); g.count(2, erp, 1) }
	none := func(g *stage) { g.count(1, crm, 0); g.count(1, erp, 0); other(g) }
	out := directions(func(from, to string) []scene {
		return []scene{
			{
				name: "archived in " + from + " and so in " + to, change: archive, before: two,
				play:   func(g *stage) { g.archive(1, from) },
				expect: none,
			}, {
				name: "archived in " + from + " and deleted for it in " + to, before: two,
				change: func(g *stage) {
					archive(g)
					if to == erp { // HubSpot has no delete
						g.link.Delete.From[from] = plan.RemovalDelete
					}
				},
				play:   func(g *stage) { g.archive(1, from) },
				expect: none,
			}, {
				name: "archived in " + from + " while the partner is edited", change: archive, before: two,
				play: func(g *stage) {
					g.archive(1, from)
					g.after(10*time.Second, func() { g.edit(1, to, map[string]string{"city": "Brno"}) })
				},
				expect: func(g *stage) { g.one(2); g.holds(1, address, "Brno") },
			}, {
				name: "archived in " + from + " while the partner is edited, and deletions win", before: two,
				change: deletes(plan.RemovalArchive, plan.WinsDelete),
				play: func(g *stage) {
					g.archive(1, from)
					g.after(10*time.Second, func() { g.edit(1, to, map[string]string{"city": "Brno"}) })
				},
				expect: none,
			}, {
				name: "archived in " + from + " by mistake", change: archive, before: two,
				play: func(g *stage) {
					k := g.key(1, from)
					g.archive(1, from)
					g.after(sceneGrace/2, func() { g.restore(k) })
				},
				expect: func(g *stage) { g.one(2) },
			}, {
				name: "archived in " + from + " and restored later", change: archive, before: two,
				play: func(g *stage) {
					k := g.key(1, from)
					g.archive(1, from)
					g.after(muchLater, func() { g.restore(k) })
				},
				expect: func(g *stage) { g.one(2) },
			}, {
				name: "archived in " + from + ", and what is left is unpaired", change: deletes(plan.RemovalUnpair, plan.WinsUpdate), before: two,
				play: func(g *stage) {
					g.archive(1, from)
					g.after(muchLater, func() { g.edit(1, to, map[string]string{"city": "Brno"}) })
				},
				expect: func(g *stage) { g.one(2); g.holds(1, address, "Brno") },
			},
		}
	})
	return append(out, scene{
		name: "unlinked in the ERP", change: archive, before: two,
		play: func(g *stage) {
			k := g.key(1, erp)
			g.binned[k] = true
			g.stats.Edits++
			if err := g.odoo().UserUnlink(partners, number(k.id)); err != nil {
				g.wrong("%v cannot be unlinked: %v", k, err)
			}
		},
		expect: none,
	}, scene{
		name: "merged in HubSpot, which is no delete", change: archive, before: two,
		play: func(g *stage) { g.merge(crm, g.key(1, crm).id, g.key(2, crm).id, 1) },
		expect: func(g *stage) { // each partner is there still: what is left over is nobody's delete
			for _, n := range []int{1, 2} {
				g.count(n, erp, 1)
			}
		},
	}, scene{
		name: "merged in the ERP, which is no delete", change: archive, before: two,
		play: func(g *stage) { g.merge(erp, g.key(1, erp).id, g.key(2, erp).id, 1) },
		expect: func(g *stage) {
			for _, n := range []int{1, 2} {
				g.count(n, crm, 1)
			}
		},
	}, scene{
		name: "a mass delete is held, and goes on when it is let go", change: archive, sparse: 200,
		before: func(g *stage) {
			for n := range massDelete {
				g.born(n+1, crm)
			}
		},
		play: func(g *stage) {
			for n := range massDelete - 1 {
				g.archive(n+1, crm)
			}
			g.after(muchLater, func() {
				g.count(massDelete-1, erp, 1) // not one is gone
				g.release(erp, "mass delete")
			})
		},
		expect: func(g *stage) {
			for n := range massDelete - 1 {
				g.count(n+1, erp, 0)
			}
			g.count(massDelete, erp, 1)
		},
	})
}

// massDelete people are more than the breaker lets go in an hour, and one.
const massDelete = 23

// restore lets a person take a record out of the bin.
func (g *stage) restore(k recordKey) {
	var err error
	if k.system == crm {
		err = g.hubspot().UserRestore(contacts, k.id)
	} else {
		err = g.odoo().UserWrite(partners, number(k.id), map[string]any{"active": true})
	}
	if err != nil {
		g.wrong("%v cannot be restored: %v", k, err)
	}
	g.stats.Edits++
}

// release lets go a hold on deletes as a person does.
func (g *stage) release(system, reason string) {
	if err := g.db.ReleaseHold(context.Background(), system, g.link.Name, "deletes", reason, "the scene"); err != nil {
		g.wrong("hold: %v", err)
	}
	g.wakeAll(0)
}
