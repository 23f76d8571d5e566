package lab

import (
	"time"

	"syncd/connectors"
	"syncd/flows"
)

// directions runs a maker of scenes for each system that things may come from.
func directions(make func(from, to string) []scene) []scene {
	return append(make(crm, erp), make(erp, crm)...)
}

// creates are the scenes in which a record is born and bound.
func creates() []scene {
	out := directions(func(from, to string) []scene {
		return []scene{
			{
				name: "create from " + from, pairs: true, amnesiac: true,
				play:   func(g *stage) { g.born(1, from) },
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "create by two replicas from " + from, pairs: true,
				set:    func(d *swarm) { d.replicas = 2 },
				play:   func(g *stage) { g.born(1, from) },
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "create and edit before the create is confirmed from " + from, pairs: true,
				play: func(g *stage) {
					g.born(1, from)
					g.when(g.has(1, to), func() { g.edit(1, from, map[string]string{"city": "Brno"}) })
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno") },
			}, {
				name: "create and edit of the new record before it is bound from " + from,
				set:  func(d *swarm) { d.slow = 4 * time.Second },
				play: func(g *stage) {
					g.born(1, from)
					g.when(g.has(1, to), func() { g.edit(1, to, map[string]string{"jobtitle": "CEO"}) })
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "jobtitle", "CEO") },
			}, {
				name: "create and edits of both sides before the create is confirmed from " + from,
				play: func(g *stage) {
					g.born(1, from)
					g.when(g.has(1, to), func() {
						g.edit(1, from, map[string]string{"city": "Brno"})
						g.edit(1, to, map[string]string{"jobtitle": "CEO"})
					})
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno"); g.holds(1, "jobtitle", "CEO") },
			}, {
				name: "create while " + to + " is down",
				play: func(g *stage) {
					g.down(to, true)
					g.born(1, from)
					g.after(2*time.Minute, func() { g.down(to, false) })
				},
				expect: func(g *stage) { g.one(1) },
			}, {
				name:   "webhook before the answer from " + from,
				set:    func(d *swarm) { d.slow = 8 * time.Second },
				play:   func(g *stage) { g.born(1, from) },
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "create class search towards " + to,
				change: func(g *stage) {
					if to == erp {
						g.class(erp, connectors.ClassSearch)
					}
				},
				set:    func(d *swarm) { d.crmSearch = to == crm },
				play:   func(g *stage) { g.born(1, from) },
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "three creates from " + from,
				play: func(g *stage) {
					g.deaf(func() { g.born(1, from); g.born(2, from); g.born(3, from) })
					g.after(0, g.sweepBoth)
				},
				expect: func(g *stage) { g.one(3) },
			}, {
				name:   "create found by the sweep from " + from,
				play:   func(g *stage) { g.deaf(func() { g.born(1, from) }); g.after(time.Second, g.sweepBoth) },
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "adopt an existing record from " + from, pairs: true, amnesiac: true,
				play: func(g *stage) {
					g.deaf(func() { g.born(1, to) })
					g.born(1, from, map[string]string{"city": "Brno"})
				},
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "create under a hold from " + from,
				play: func(g *stage) {
					g.holding(to, "creates", true)
					g.born(1, from)
					g.after(30*time.Second, func() { g.count(1, to, 0); g.holding(to, "creates", false) })
				},
				expect: func(g *stage) { g.one(1) },
			}, {
				name: "amnesia soon after a create from " + from, amnesiac: true,
				before: func(g *stage) { g.born(1, from) },
				play: func(g *stage) {
					g.born(2, from)
					g.when(g.has(2, to), func() { g.edit(1, to, map[string]string{"city": "Brno"}) })
				},
				expect: func(g *stage) { g.one(2); g.holds(1, "city", "Brno") },
			},
		}
	})
	return append(out, meetings()...)
}

// meetings are the scenes in which records of both sides meet.
func meetings() []scene {
	propose := func(g *stage) { g.link.OnMatch = flows.MatchPropose }
	return []scene{
		{
			name: "born on both sides at once", pairs: true, amnesiac: true,
			play:   func(g *stage) { g.born(1, crm); g.born(1, erp) },
			expect: func(g *stage) { g.one(1) },
		}, {
			name: "born on both sides at once, two replicas", pairs: true,
			set:    func(d *swarm) { d.replicas = 2 },
			play:   func(g *stage) { g.born(1, erp); g.born(1, crm) },
			expect: func(g *stage) { g.one(1) },
		}, {
			name: "born on the other side during the create",
			set:  func(d *swarm) { d.slow = 2 * time.Second },
			play: func(g *stage) {
				g.born(1, crm)
				g.after(5*time.Second, func() { g.born(1, erp) })
			},
		}, {
			name: "HubSpot refuses a second record with the e-mail, and its search lags", pairs: true,
			set: func(d *swarm) { d.crmLag = time.Minute },
			play: func(g *stage) {
				g.deaf(func() { g.born(1, crm) })
				g.born(1, erp)
			},
			expect: func(g *stage) { g.one(1) },
		}, {
			name:  "born during the first sweep of all",
			early: true,
			set:   func(d *swarm) { d.slow = 3 * time.Second },
			play: func(g *stage) {
				g.after(100*time.Millisecond, func() { g.deaf(func() { g.born(1, erp) }) })
				g.after(12*time.Minute, func() {}) // the successor's own first sweep comes late
			},
			expect: func(g *stage) { g.one(1) },
		}, {
			name:   "HubSpot refuses the e-mail of a contact that is paired",
			before: func(g *stage) { g.born(1, crm) },
			play: func(g *stage) {
				g.when(g.has(1, erp), func() { g.born(2, erp, map[string]string{"email": "p1@example.com"}) })
			},
			expect: func(g *stage) { g.one(1); g.count(2, crm, 0); g.waits(2, erp, "suspected_duplicate") },
		}, {
			name:   "a shared mailbox: two partners with one e-mail",
			play:   func(g *stage) { g.born(1, erp); g.born(2, erp, map[string]string{"email": "p1@example.com"}) },
			expect: func(g *stage) { g.twins() },
		}, {
			name: "two rows of a batch with one business key",
			play: func(g *stage) {
				g.deaf(func() { g.born(1, erp); g.born(2, erp, map[string]string{"email": "p1@example.com"}) })
				g.after(time.Second, g.sweepBoth)
			},
			expect: func(g *stage) { g.twins() },
		}, {
			name: "several candidates",
			play: func(g *stage) {
				g.deaf(func() {
					g.born(2, erp, map[string]string{"email": "p1@example.com"})
					g.born(3, erp, map[string]string{"email": "p1@example.com"})
				})
				g.born(1, crm)
			},
			expect: func(g *stage) { g.count(1, erp, 0); g.waits(1, crm, "ambiguous", "asked") },
		}, {
			name:   "one candidate is proposed",
			change: propose,
			play:   func(g *stage) { g.deaf(func() { g.born(1, erp) }); g.born(1, crm) },
			expect: func(g *stage) { g.count(1, erp, 1); g.waits(1, crm, "proposed", "asked") },
		}, {
			name:   "create class blind",
			change: func(g *stage) { g.class(erp, connectors.ClassBlind) },
			play:   func(g *stage) { g.born(1, crm) },
		}, {
			name: "a batch of seven, mixed", pairs: false,
			before: func(g *stage) { g.born(1, erp); g.born(2, crm); g.born(3, erp) },
			play: func(g *stage) {
				g.deaf(func() {
					g.edit(1, erp, map[string]string{"city": "Brno"})
					g.edit(2, erp, map[string]string{"jobtitle": "CEO"})
					g.edit(3, crm, map[string]string{"jobtitle": "CTO"})
					g.born(4, erp)
					g.born(5, erp)
					g.born(5, crm)
					g.born(6, erp, map[string]string{"email": "no address"})
					g.born(7, erp, map[string]string{"email": ""})
				})
				g.after(time.Second, g.sweepBoth)
			},
			expect: func(g *stage) {
				g.one(5)
				g.count(7, crm, 1)
				g.count(6, crm, 0)
				g.waits(6, erp, "refused")
				g.holds(1, "city", "Brno")
				g.holds(2, "jobtitle", "CEO")
				g.holds(3, "jobtitle", "CTO")
			},
		}, {
			name: "a batch with one bad row",
			play: func(g *stage) {
				g.deaf(func() {
					g.born(1, erp)
					g.born(2, erp)
					g.born(3, erp, map[string]string{"email": "no address"})
					g.born(4, erp)
				})
				g.after(time.Second, g.sweepBoth)
			},
			expect: func(g *stage) { g.one(2); g.count(4, crm, 1); g.count(3, crm, 0); g.waits(3, erp, "refused") },
		}, {
			name: "a refused create, then corrected", pairs: true,
			play: func(g *stage) {
				g.born(1, erp, map[string]string{"email": "no address"})
				g.after(time.Minute, func() { g.edit(1, erp, map[string]string{"email": "p1@example.com"}) })
			},
			expect: func(g *stage) { g.one(1); g.holds(1, "email", "p1@example.com") },
		},
	}
}

// twins expects of persons 1 and 2, two partners with one e-mail, which HubSpot
// allows only once: one of them has the contact, the other waits for a person.
func (g *stage) twins() {
	one, two := g.key(1, crm).id != "", g.key(2, crm).id != ""
	switch {
	case one == two:
		g.wrong("of two with one e-mail, first has a contact: %t, second: %t", one, two)
	case one:
		g.waits(2, erp, "suspected_duplicate")
	default:
		g.waits(1, erp, "suspected_duplicate")
	}
}
