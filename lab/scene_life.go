package lab

import (
	"time"

	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
)

// lives are the scenes in which people copy, archive and merge records, or
// touch what is syncd's own.
func lives() []scene {
	pair := func(g *stage) { g.born(1, crm) }
	out := directions(func(from, to string) []scene {
		inverse := map[string]string{crm: "erp_id", erp: "x_crm_id"}[from]
		token := map[string]string{crm: "syncd_ref", erp: "x_syncd_ref"}[from]
		return []scene{
			{
				name: "a person edits the inverse id in " + from, before: pair,
				play:   func(g *stage) { g.raw(1, from, map[string]string{inverse: "4711"}) },
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "a person clears the token in " + from, before: pair,
				play:   func(g *stage) { g.raw(1, from, map[string]string{token: ""}) },
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "a copy of a record carries its inverse id in " + from, before: pair,
				play: func(g *stage) {
					id := g.born(2, from)
					g.rawOf(recordKey{from, id}, map[string]string{inverse: g.values(g.key(1, from))[inverse]})
				},
				expect: func(g *stage) { g.one(2) },
			}, {
				name: "a person archives the record in " + from, before: pair,
				play:   func(g *stage) { g.archive(1, from) },
				expect: func(g *stage) { g.count(1, from, 0); g.count(1, to, 1) },
			}, {
				name: "the partner of an archived record is edited in " + to, before: pair,
				play: func(g *stage) {
					g.archive(1, from)
					g.after(30*time.Second, func() { g.edit(1, to, map[string]string{"city": "Brno"}) })
				},
				expect: func(g *stage) { g.count(1, from, 0); g.count(1, to, 1) }, // nothing is passed on, either way
			}, {
				name: "the record is archived during the create from " + from,
				set:  func(d *swarm) { d.slow = 2 * time.Second },
				play: func(g *stage) {
					g.born(1, from)
					g.after(4*time.Second, func() { g.archive(1, from) })
				},
			},
		}
	})
	copied := func(g *stage) {
		v := g.values(g.key(1, erp))
		id := g.born(2, erp, map[string]string{"email": ""})
		g.rawOf(recordKey{erp, id}, map[string]string{"x_syncd_ref": v["x_syncd_ref"], "x_crm_id": v["x_crm_id"]})
	}
	return append(out, scene{
		name: "a copy of a partner carries its token", before: pair,
		play:   copied,
		expect: func(g *stage) { g.one(1); g.count(2, crm, 0); g.waits(2, erp, "surplus", "clone") },
	}, scene{
		name:   "a copy of an old partner carries its token",
		before: func(g *stage) { pair(g); g.after(12*time.Minute, func() {}) },
		play:   copied,
		expect: func(g *stage) { g.one(2) },
	})
}

// archive lets a person put a record away.
func (g *stage) archive(n int, system string) {
	k := g.key(n, system)
	g.binned[k] = true
	g.stats.Edits++
	var err error
	if system == crm {
		err = g.hubspot().UserArchive(contacts, k.id)
	} else {
		err = g.odoo().UserWrite(partners, number(k.id), map[string]any{"active": false})
	}
	if err != nil {
		g.wrong("%v cannot be archived: %v", k, err)
	}
}

// hubspot and odoo are the pretend vendors of a scene, which has these two.
func (g *stage) hubspot() *hubspotsim.Sim { return g.vendors[crm].people.(crmPeople).sim }

func (g *stage) odoo() *odoosim.Sim { return g.vendors[erp].people.(erpPeople).sim }

// raw writes a system's own columns of person n by hand, past the mapping.
func (g *stage) raw(n int, system string, columns map[string]string) {
	g.rawOf(g.key(n, system), columns)
}

func (g *stage) rawOf(k recordKey, columns map[string]string) {
	if err := g.vendors[k.system].people.edit(k.id, columns); err != nil {
		g.wrong("%v cannot be edited: %v", k, err)
	}
}
