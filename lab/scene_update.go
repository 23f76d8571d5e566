package lab

import (
	"fmt"
	"strings"
	"time"

	"syncd/flows/plan"
)

// updates are the scenes of a pair whose records people edit.
func updates() []scene {
	return directions(func(from, to string) []scene {
		pair := func(g *stage) { g.born(1, from) }
		three := func(g *stage) { g.born(1, from); g.born(2, from); g.born(3, from) }
		return []scene{
			{
				name: "update from " + from, before: pair,
				play:   func(g *stage) { g.edit(1, from, map[string]string{"city": "Brno", "phone": "+420603111222"}) },
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno"); g.holds(1, "phone", "+420603111222") },
			}, {
				name:   "update long after the last write from " + from,
				before: func(g *stage) { pair(g); g.after(12*time.Minute, func() {}) },
				play:   func(g *stage) { g.edit(1, from, map[string]string{"city": "Brno"}) },
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno") },
			}, {
				name: "update found by the sweep from " + from, before: pair,
				play: func(g *stage) {
					g.deaf(func() { g.edit(1, from, map[string]string{"city": "Brno"}) })
					g.after(time.Second, g.sweepBoth)
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno") },
			}, {
				name: "two edits one after the other from " + from, before: pair,
				play: func(g *stage) {
					g.edit(1, from, map[string]string{"city": "Brno"})
					g.after(time.Second, func() { g.edit(1, from, map[string]string{"city": "Praha"}) })
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Praha") },
			}, {
				name: "edit while its write is open, from " + from, before: pair,
				set: func(d *swarm) { d.slow = 3 * time.Second },
				play: func(g *stage) {
					g.edit(1, from, map[string]string{"city": "Brno"})
					g.when(func() bool { return g.shows(1, to, "city", "Brno") }, func() {
						g.edit(1, from, map[string]string{"city": "Praha"})
					})
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Praha") },
			}, {
				name: "edit of what was just written, before it is confirmed, from " + from, before: pair,
				play: func(g *stage) {
					g.edit(1, from, map[string]string{"city": "Brno"})
					g.when(func() bool { return g.shows(1, to, "city", "Brno") }, func() {
						g.edit(1, to, map[string]string{"city": "Praha"})
					})
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Praha") },
			}, {
				name: "clear a field from " + from, before: pair,
				play:   func(g *stage) { g.edit(1, from, map[string]string{"jobtitle": ""}) },
				expect: func(g *stage) { g.one(1); g.holds(1, "jobtitle", "") },
			}, {
				name: "blank most fields from " + from, before: pair,
				play: func(g *stage) {
					g.edit(1, from, map[string]string{"jobtitle": "", "city": "", "phone": ""})
				},
				expect: func(g *stage) {
					g.waits(1, from, "blanked")
					g.holdsIn(1, to, "city", fmt.Sprintf("C1%s", from))
				},
			}, {
				name: "blank most fields and fill them again from " + from, before: pair,
				play: func(g *stage) {
					g.edit(1, from, map[string]string{"jobtitle": "", "city": "", "phone": ""})
					g.after(time.Minute, func() {
						g.edit(1, from, map[string]string{"jobtitle": "CEO", "city": "Brno", "phone": "+420603111222"})
					})
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno"); g.holds(1, "jobtitle", "CEO") },
			}, {
				name: "update under a hold from " + from, before: pair,
				play: func(g *stage) {
					g.holding(to, "writes", true)
					g.edit(1, from, map[string]string{"city": "Brno"})
					g.after(20*time.Second, func() { g.holding(to, "writes", false) })
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno") },
			}, {
				name: "update while " + to + " is down, from " + from, before: pair,
				play: func(g *stage) {
					g.down(to, true)
					g.edit(1, from, map[string]string{"city": "Brno"})
					g.after(2*time.Minute, func() { g.down(to, false) })
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno") },
			}, {
				name: "three updates in a batch from " + from, before: three,
				play: func(g *stage) {
					g.deaf(func() {
						for n := 1; n <= 3; n++ {
							g.edit(n, from, map[string]string{"city": fmt.Sprintf("Brno %d", n)})
						}
					})
					g.after(time.Second, g.sweepBoth)
				},
				expect: func(g *stage) {
					g.one(3)
					for n := 1; n <= 3; n++ {
						g.holds(n, "city", fmt.Sprintf("Brno %d", n))
					}
				},
			}, {
				name: "update by two replicas from " + from, before: pair,
				set: func(d *swarm) { d.replicas = 2 },
				play: func(g *stage) {
					g.edit(1, from, map[string]string{"city": "Brno"})
					g.after(2*time.Second, func() { g.edit(1, to, map[string]string{"jobtitle": "CEO"}) })
				},
				expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno"); g.holds(1, "jobtitle", "CEO") },
			},
		}
	})
}

// turns are the scenes in which both sides of a pair move, or one side does not
// keep what it is told.
func turns() []scene {
	pair := func(g *stage) { g.born(1, crm) }
	out := []scene{
		{
			name: "both sides edit different fields", before: pair,
			play: func(g *stage) {
				g.edit(1, crm, map[string]string{"city": "Brno"})
				g.edit(1, erp, map[string]string{"jobtitle": "CEO"})
			},
			expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno"); g.holds(1, "jobtitle", "CEO") },
		}, {
			name: "both sides edit one field to the same value", before: pair,
			play: func(g *stage) {
				g.edit(1, crm, map[string]string{"city": "Brno"})
				g.edit(1, erp, map[string]string{"city": "Brno"})
			},
			expect: func(g *stage) { g.one(1); g.holds(1, "city", "Brno") },
		}, {
			name:   "a field is frozen",
			before: pair,
			play: func(g *stage) {
				sides := []string{erp, crm}
				var turn func(n int)
				turn = func(n int) {
					if n == 5 {
						if len(g.inject.plan) == 0 {
							g.state(1, "city", "frozen") // a fault may make two turns one
						}
						return
					}
					value := fmt.Sprintf("turn %d", n)
					g.edit(1, sides[n%2], map[string]string{"city": value})
					g.after(40*time.Second, func() { turn(n + 1) })
				}
				turn(0)
			},
			expect: func(g *stage) { g.one(1) },
		}, {
			name: "a value that HubSpot reshapes", before: pair,
			play: func(g *stage) { g.edit(1, erp, map[string]string{"email": "Jan.Novak@Example.com"}) },
			expect: func(g *stage) {
				g.one(1)
				if v := g.values(g.key(1, crm))["email"]; v != "jan.novak@example.com" {
					g.wrong("the contact holds %q", v)
				}
			},
		}, {
			name: "a refused value, then corrected", before: func(g *stage) { g.born(1, erp) },
			play: func(g *stage) {
				g.edit(1, erp, map[string]string{"email": "no address"})
				g.after(time.Minute, func() { g.edit(1, erp, map[string]string{"email": "jan@example.com"}) })
			},
			expect: func(g *stage) { g.one(1); g.holds(1, "email", "jan@example.com") },
		}, {
			name: "a refused value among three updates", before: func(g *stage) { g.born(1, erp); g.born(2, erp); g.born(3, erp) },
			play: func(g *stage) {
				g.deaf(func() {
					g.edit(1, erp, map[string]string{"city": "Brno"})
					g.edit(2, erp, map[string]string{"email": "no address"})
					g.edit(3, erp, map[string]string{"city": "Praha"})
				})
				g.after(time.Second, g.sweepBoth)
			},
			expect: func(g *stage) {
				g.one(3)
				g.holds(1, "city", "Brno")
				g.holds(3, "city", "Praha")
				g.waits(2, erp, "refused")
			},
		}, {
			name: "two contacts exchange their e-mails", before: func(g *stage) { g.born(1, erp); g.born(2, erp) },
			play: func(g *stage) {
				g.deaf(func() {
					g.edit(1, erp, map[string]string{"email": "p2@example.com"})
					g.edit(2, erp, map[string]string{"email": "p1@example.com"})
				})
				g.after(time.Second, g.sweepBoth)
			},
			expect: func(g *stage) { g.one(2) },
		},
	}
	for _, policy := range []plan.Policy{{Mode: plan.ModeNewest, System: erp}, {Mode: plan.ModeSystem, System: crm}, {Mode: plan.ModeSystem, System: erp}, {Mode: plan.ModeAsk}} {
		out = append(out, conflict(policy))
	}
	return out
}

// conflict: both sides edit one field under a policy.
func conflict(policy plan.Policy) scene {
	sc := scene{
		name: fmt.Sprintf("both sides edit one field, policy %s %s", policy.Mode, policy.System),
		change: func(g *stage) {
			for i := range g.link.Rules.Rows {
				if g.link.Rules.Rows[i].Group == "address" {
					g.link.Rules.Rows[i].Policy = policy
				}
			}
		},
		before: func(g *stage) { g.born(1, crm) },
		play: func(g *stage) {
			g.edit(1, erp, map[string]string{"city": "Brno"})
			g.after(100*time.Millisecond, func() { g.edit(1, crm, map[string]string{"city": "Praha"}) })
		},
	}
	switch {
	case policy.Mode == plan.ModeAsk:
		sc.allow = map[string]bool{"state": true}
		sc.expect = func(g *stage) {
			g.one(1)
			g.holdsIn(1, crm, "city", "Praha")
			g.holdsIn(1, erp, "city", "Brno")
			g.state(1, "city", "conflict")
		}
	default:
		sc.expect = func(g *stage) { g.one(1) }
	}
	return sc
}

// shows says that a row of person n holds a value in a system now.
func (g *stage) shows(n int, system, row, value string) bool {
	k := g.key(n, system)
	held, _, _ := strings.Cut(g.canonical(system, g.values(k))[row], "|")
	return k.id != "" && held == value
}
