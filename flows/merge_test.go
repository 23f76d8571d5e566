package flows_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/store"
)

// newIDs and keptID are settings: what a merge in the CRM does with ids.
func newIDs(w *world) { w.hubs[crm] = w.newHub(crm, 1, true) }
func keptID(w *world) { w.hubs[crm] = w.newHub(crm, 1) }

// mergeIn lets a person merge a record into another, and gives the id that lives on.
func (w *world) mergeIn(system, primary, loser string) string {
	w.t.Helper()
	if system != erp {
		id, err := w.hubs[system].UserMerge(contacts, primary, loser)
		if err != nil {
			w.t.Fatal(err)
		}
		return id
	}
	dst, _ := strconv.ParseInt(primary, 10, 64)
	src, _ := strconv.ParseInt(loser, 10, 64)
	if err := w.erp.UserMerge(dst, src); err != nil {
		w.t.Fatal(err)
	}
	return primary
}

// agreed checks that a record and its partner are a pair that holds the same, and
// that each shows the other's id and the identity's token.
func (w *world) agreed(contact, partner string) {
	w.t.Helper()
	if got := w.pair(crm, contact, erp); got != partner {
		w.t.Fatalf("contact %s is paired with %q, want %s\n%s", contact, got, partner, w.tail())
	}
	i := w.identity(crm, contact)
	token, err := w.keys.Token(i.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	a, b := w.get(crm, contact), w.get(erp, partner)
	for _, r := range w.link.Rows {
		if a[r.Name()] != b[r.Name()] {
			w.t.Errorf("%s is %q in %s and %q in %s", r.Name(), a[r.Name()], crm, b[r.Name()], erp)
		}
	}
	if a[tokenOf(crm)] != token || b[tokenOf(erp)] != token {
		w.t.Errorf("tokens %q and %q, want %q", a[tokenOf(crm)], b[tokenOf(erp)], token)
	}
	if a[inverseOf(crm, erp)] != partner || b[inverseOf(erp, crm)] != contact {
		w.t.Errorf("inverse ids %q and %q, want %s and %s", a[inverseOf(crm, erp)], b[inverseOf(erp, crm)], partner, contact)
	}
	for _, m := range i.Members {
		if m.Intent != nil || len(m.Fields) > 0 {
			w.t.Errorf("%s: intent %s, states %v", m.System, m.Intent, m.Fields)
		}
	}
}

// leadsTo checks that an old id still leads to an identity.
func (w *world) leadsTo(system, old, identity string) {
	w.t.Helper()
	past, err := w.store.Past(w.t.Context(), system, objectOf(system), []string{old})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range past[old] {
		if p.IdentityID == identity || p.MergedInto == identity {
			return
		}
	}
	w.t.Errorf("the old id %s %s leads to %+v, want %s", system, old, past[old], identity)
}

func (w *world) noBirths(before int) {
	w.t.Helper()
	if n := len(w.births(crm)) + len(w.births(erp)); n != before {
		w.t.Errorf("%d records were ever made, want %d", n, before)
	}
}

// TestMergeOfAPairedContactIntoAStranger: the pair moves to the record that lives on.
func TestMergeOfAPairedContactIntoAStranger(t *testing.T) {
	for name, set := range map[string]setting{"new id": newIDs, "kept id": keptID} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, set)
			e := w.engine("a", nil)
			id, partner := w.paired(e, crm, 1)
			canonical := w.identity(crm, id).ID
			stranger := w.create(crm, map[string]string{"firstname": "Ann", "lastname": "Twin", "city": "Brno"})
			w.forget() // nobody told of it
			survivor := w.mergeIn(crm, stranger, id)
			calls := w.counting()
			w.settle(e)
			t.Logf("calls: %v", calls())
			w.agreed(survivor, partner)
			if got := w.get(erp, partner); got["city"] != "Brno" {
				t.Errorf("the survivor's value did not flow: %v", got)
			}
			w.leadsTo(crm, id, canonical)
			if ws := w.waiting(); len(ws) > 0 {
				t.Errorf("waiting %+v", ws)
			}
			w.hint(crm, id) // an old id leads to the pair
			w.settle(e)
			w.agreed(survivor, partner)
		})
	}
}

// TestMergeOfAStrangerIntoAPairedContact: nothing but an old id.
func TestMergeOfAStrangerIntoAPairedContact(t *testing.T) {
	for name, set := range map[string]setting{"new id": newIDs, "kept id": keptID} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, set)
			e := w.engine("a", nil)
			id, partner := w.paired(e, crm, 1)
			stranger := w.create(crm, map[string]string{"firstname": "Ann", "lastname": "Twin", "city": "Brno"})
			w.forget()
			survivor := w.mergeIn(crm, id, stranger)
			calls := w.counting()
			w.settle(e)
			t.Logf("calls: %v", calls())
			w.agreed(survivor, partner)
			w.noBirths(map[string]int{"new id": 4, "kept id": 3}[name])
			if ws := w.waiting(); len(ws) > 0 {
				t.Errorf("waiting %+v", ws)
			}
		})
	}
}

// TestMergeOfTwoPairedContacts: one pair lives on, and the other's partner is left over
// and asked about; nobody makes a customer of it.
func TestMergeOfTwoPairedContacts(t *testing.T) {
	for name, set := range map[string]setting{"new id": newIDs, "kept id": keptID} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, set)
			e := w.engine("a", nil)
			a, pa := w.paired(e, crm, 1)
			b, pb := w.paired(e, crm, 2)
			ia, ib := w.identity(crm, a).ID, w.identity(crm, b).ID
			births := len(w.births(crm)) + len(w.births(erp))
			survivor := w.mergeIn(crm, a, b)
			calls := w.counting()
			w.settle(e)
			t.Logf("calls: %v", calls())
			w.agreed(survivor, pa)
			if i := w.identity(crm, survivor); i.ID != ia {
				t.Errorf("the survivor is of %s, want the primary's identity %s", i.ID, ia)
			}
			w.leadsTo(crm, b, ia)
			if i, err := w.store.Identity(t.Context(), ib); err != nil || i.State != "merged" {
				t.Errorf("the loser's identity %+v, %v", i, err)
			}
			if row := w.parkedAs("orphan"); row.RecordID != pb {
				t.Errorf("asked about %s, want %s", row.RecordID, pb)
			}
			w.edit(erp, pb, map[string]string{"city": "Plzen"})
			w.settle(e)
			w.parkedAs("orphan")
			if name == "new id" {
				births++
			}
			w.noBirths(births)
			pairs, err := w.store.Pairs(t.Context(), store.PairQuery{SourceSystem: erp, SourceID: pb})
			if err != nil || len(pairs) != 1 || pairs[0].Active {
				t.Errorf("the orphan's pair %+v, %v; want it kept, inactive", pairs, err)
			}
			w.edit(erp, pa, map[string]string{"city": "Brno"})
			w.settle(e)
			w.agreed(survivor, pa)
		})
	}
}

func TestOrphanIsKeptOrArchivedByPolicy(t *testing.T) {
	for _, c := range []struct {
		policy flows.Orphan
		edited bool
		want   string
	}{{flows.OrphanKeep, false, ""}, {flows.OrphanArchive, false, "archived"}, {flows.OrphanArchive, true, "asked"}} {
		t.Run(string(c.policy), func(t *testing.T) {
			w := newWorld(t, keptID)
			w.link.Orphan = c.policy
			e := w.engine("a", nil)
			a, pa := w.paired(e, crm, 1)
			b, pb := w.paired(e, crm, 2)
			survivor := w.mergeIn(crm, a, b)
			if c.edited {
				w.edit(erp, pb, map[string]string{"city": "Plzen"})
				w.forget()
				w.hint(crm, b, a)
			}
			w.settle(e)
			w.agreed(survivor, pa)
			n, _ := strconv.ParseInt(pb, 10, 64)
			v, ok := w.erp.Get(partners, n)
			if archived := ok && v["active"] == false; archived != (c.want == "archived") {
				t.Errorf("archived: %t, want %q", archived, c.want)
			}
			if ws := w.waiting(); len(ws) > 0 != (c.want == "asked") {
				t.Errorf("waiting %+v", ws)
			}
			if c.want == "archived" { // and a second look finds nothing to do
				calls := w.counting()
				w.hint(erp, pb)
				w.settle(e)
				if got := calls(); slices.Contains(got, "erp write") {
					t.Errorf("calls %v", got)
				}
			}
		})
	}
}

// TestMergesInAChain: what a merge left is merged again, before or after syncd looks.
func TestMergesInAChain(t *testing.T) {
	for name, set := range map[string]setting{"new id": newIDs, "kept id": keptID} {
		for _, between := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, set)
				e := w.engine("a", nil)
				var ids, with []string
				for n := range 3 {
					id, p := w.paired(e, crm, n+1)
					ids, with = append(ids, id), append(with, p)
				}
				first := w.identity(crm, ids[0]).ID
				one := w.mergeIn(crm, ids[0], ids[1])
				if between {
					w.settle(e)
				}
				two := w.mergeIn(crm, one, ids[2])
				w.settle(e)
				w.agreed(two, with[0])
				for _, old := range ids[1:] {
					w.leadsTo(crm, old, first)
				}
				if ws := w.waiting(); len(ws) != 2 {
					t.Errorf("waiting %+v, want the two that are left over", ws)
				}
			})
		}
	}
}

// TestAMergeIsFoundWithoutItsEvents: only the survivor is ever announced, or only the
// loser's deletion, or only an edit of the partner.
func TestAMergeIsFoundWithoutItsEvents(t *testing.T) {
	for name, set := range map[string]setting{"new id": newIDs, "kept id": keptID} {
		for _, told := range []string{"survivor", "loser", "primary", "partner of the primary", "partner of the loser"} {
			t.Run(name+" "+told, func(t *testing.T) {
				w := newWorld(t, set)
				e := w.engine("a", nil)
				a, pa := w.paired(e, crm, 1)
				b, pb := w.paired(e, crm, 2)
				survivor := w.mergeIn(crm, a, b)
				w.forget()
				switch told {
				case "survivor":
					w.hint(crm, survivor)
				case "loser":
					w.hint(crm, b)
				case "primary":
					w.hint(crm, a)
				case "partner of the primary":
					w.edit(erp, pa, map[string]string{"city": "Brno"})
				default:
					w.edit(erp, pb, map[string]string{"city": "Brno"})
				}
				w.settle(e)
				w.hint(crm, survivor, a, b) // as a sweep would, in the end
				w.settle(e)
				if got := w.pair(crm, survivor, erp); got != pa {
					t.Fatalf("the survivor is paired with %q, want %s\n%s", got, pa, w.tail())
				}
				w.agreed(survivor, pa)
				if row := w.parkedAs("orphan"); row.RecordID != pb {
					t.Errorf("asked about %s, want %s", row.RecordID, pb)
				}
			})
		}
	}
}

// TestAMergeSurvivesACrashAtEveryStep: whichever step is the last, the next process
// ends what was begun.
func TestAMergeSurvivesACrashAtEveryStep(t *testing.T) {
	for name, set := range map[string]setting{"new id": newIDs, "kept id": keptID} {
		for _, how := range []trouble{crashBefore, crashAfter, lostBefore, lostAfter} {
			for at := 1; ; at++ {
				w := newWorld(t, set)
				e := w.engine("a", nil)
				a, pa := w.paired(e, crm, 1)
				b, pb := w.paired(e, crm, 2)
				survivor := w.mergeIn(crm, a, b)
				s := &steps{at: at, how: how}
				first := w.engine("b", s)
				for range 12 {
					w.deliver()
					_, _ = w.drain(first)
					w.clock.advance(time.Second)
				}
				if s.n < at {
					break
				}
				w.clock.advance(2 * leaseTime)
				w.settle(w.engine("c", nil))
				w.agreed(survivor, pa)
				if row := w.parkedAs("orphan"); row.RecordID != pb {
					t.Errorf("%s: %s at step %d (%s): asked about %s", name, how, at, s.names[at-1], row.RecordID)
				}
				if t.Failed() {
					t.Fatalf("%s: %s at step %d (%s)", name, how, at, s.names[at-1])
				}
			}
		}
	}
}

// TestMergesInOdoo: the loser is unlinked, and only its external id tells of the merge.
func TestMergesInOdoo(t *testing.T) {
	stranger := func(w *world) string {
		id := w.create(erp, map[string]string{"firstname": "Ann", "lastname": "Twin", "city": "Brno"})
		w.forget()
		return id
	}
	for name, play := range map[string]func(w *world, e *flows.Engine) (contact, partner, left string){
		"a paired partner into a stranger": func(w *world, e *flows.Engine) (string, string, string) {
			id, partner := w.paired(e, crm, 1)
			return id, w.mergeIn(erp, stranger(w), partner), ""
		},
		"a paired partner, born there, into a stranger": func(w *world, e *flows.Engine) (string, string, string) {
			id, partner := w.paired(e, erp, 1)
			return id, w.mergeIn(erp, stranger(w), partner), ""
		},
		"a stranger into a paired partner": func(w *world, e *flows.Engine) (string, string, string) {
			id, partner := w.paired(e, crm, 1)
			return id, w.mergeIn(erp, partner, stranger(w)), ""
		},
		"two paired partners": func(w *world, e *flows.Engine) (string, string, string) {
			a, pa := w.paired(e, crm, 1)
			b, pb := w.paired(e, crm, 2)
			return a, w.mergeIn(erp, pa, pb), b
		},
	} {
		for _, told := range []string{"all", "survivor first", "nothing but the deletion"} {
			t.Run(name+", "+told, func(t *testing.T) {
				w := newWorld(t)
				e := w.engine("a", nil)
				contact, survivor, left := play(w, e)
				switch told {
				case "survivor first":
					w.hint(erp, survivor)
					if _, err := w.drain(e); err != nil {
						t.Fatal(err)
					}
				case "nothing but the deletion":
					w.forget()
					for n := range 20 {
						w.hint(erp, strconv.Itoa(n+5))
					}
				}
				w.settle(e)
				w.agreed(contact, survivor)
				if left == "" {
					if ws := w.waiting(); len(ws) > 0 {
						t.Errorf("waiting %+v", ws)
					}
					return
				}
				if row := w.parkedAs("orphan"); row.RecordID != left {
					t.Errorf("asked about %s, want %s", row.RecordID, left)
				}
			})
		}
	}
}

// TestTheListOfMergedIDsIsEnough: the survivor carries no token, and nobody tells of
// the loser.
func TestTheListOfMergedIDsIsEnough(t *testing.T) {
	for name, set := range map[string]setting{"new id": newIDs, "kept id": keptID} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, set)
			e := w.engine("a", nil)
			id, partner := w.paired(e, crm, 1)
			stranger := w.create(crm, map[string]string{"firstname": "Ann", "lastname": "Twin", "city": "Brno"})
			w.edit(crm, id, map[string]string{tokenOf(crm): "", inverseOf(crm, erp): ""})
			survivor := w.mergeIn(crm, stranger, id)
			w.forget()
			w.hint(crm, survivor)
			w.settle(e)
			w.agreed(survivor, partner)
			if n := len(w.births(erp)); n != 1 {
				t.Errorf("%d partners, want 1", n)
			}
		})
	}
}

// TestALoserFoundByItsSurvivorsOwnLook: the survivor is a pair of its own, is read for
// another reason, and the loser's events never come.
func TestALoserFoundByItsSurvivorsOwnLook(t *testing.T) {
	w := newWorld(t, keptID)
	e := w.engine("a", nil)
	a, pa := w.paired(e, crm, 1)
	b, pb := w.paired(e, crm, 2)
	w.mergeIn(crm, a, b)
	w.forget()
	w.edit(crm, a, map[string]string{"city": "Brno"})
	w.settle(e)
	w.agreed(a, pa)
	w.leadsTo(crm, b, w.identity(crm, a).ID)
	if row := w.parkedAs("orphan"); row.RecordID != pb {
		t.Errorf("asked about %s, want %s", row.RecordID, pb)
	}
}

// TestARenamedRecordKeepsItsPair: the old id is gone, and a record that was born when it
// was carries its token (F43). One that was born at another time is a copy.
func TestARenamedRecordKeepsItsPair(t *testing.T) {
	for _, same := range []bool{true, false} {
		t.Run(strconv.FormatBool(same), func(t *testing.T) {
			w := newWorld(t)
			id, partner := w.paired(w.engine("z", nil), crm, 1)
			other := w.create(crm, map[string]string{"firstname": "Ann", "lastname": "Other"})
			w.forget()
			e := w.engine("a", nil, through(crm, &lens{
				read: func(s *connectors.Sighting) {
					if s.Asked == id {
						*s = connectors.Sighting{Asked: id, Sight: connectors.SightMissing}
					} else if s.Asked == other && same {
						i, err := w.store.Identity(t.Context(), w.holderOf(crm, id, other))
						if err != nil || i == nil {
							return
						}
						ms, _ := strconv.ParseInt(i.Members[0].Birth, 10, 64)
						s.Record.Born = time.UnixMilli(ms)
					}
				},
				locate: func(asked string) (connectors.Location, bool) {
					return connectors.Location{Place: connectors.PlaceRenamed, ID: other}, asked == id
				},
			}))
			w.hint(crm, id)
			w.settle(e)
			if got := w.holderOf(crm, other); same != (got != "") {
				t.Fatalf("the other record is of %q, want %t\n%s", got, same, w.tail())
			}
			if same {
				if got := w.pair(crm, other, erp); got != partner {
					t.Errorf("paired with %q, want %s", got, partner)
				}
				w.leadsTo(crm, id, w.holderOf(crm, other))
			}
		})
	}
}

// holderOf gives the identity that has the first held of some records.
func (w *world) holderOf(system string, ids ...string) string {
	w.t.Helper()
	held, err := w.store.Holders(w.t.Context(), system, objectOf(system), ids)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range ids {
		if held[id] != "" {
			return held[id]
		}
	}
	return ""
}

// TestAMergeAmongThreeSystems: one pair of contacts lives on in all three, and the
// loser's records are left over in both others.
func TestAMergeAmongThreeSystems(t *testing.T) {
	w := newWorld(t, keptID, func(w *world) { w.hubs[crm2] = w.newHub(crm2, 2) })
	w.link = w.customers(crm, crm2, erp)
	w.links = []*flows.Link{w.link}
	e := w.engine("a", nil)
	a, b := w.person(crm, 1), w.person(crm, 2)
	w.settle(e)
	with := map[string]string{crm2: w.pair(crm, b, crm2), erp: w.pair(crm, b, erp)}
	first := w.identity(crm, a).ID
	w.mergeIn(crm, a, b)
	w.edit(crm2, w.pair(crm, a, crm2), map[string]string{"city": "Brno"})
	w.settle(e)
	w.leadsTo(crm, b, first)
	left := map[string]string{}
	for _, row := range w.waiting() {
		if row.Parked && strings.HasPrefix(row.Error, "orphan") {
			left[row.System] = row.RecordID
		}
	}
	if !maps.Equal(left, with) {
		t.Errorf("left over %v, want %v", left, with)
	}
	for _, system := range []string{crm, crm2, erp} {
		id := a
		if system != crm {
			id = w.pair(crm, a, system)
		}
		if got := w.get(system, id)["city"]; got != "Brno" {
			t.Errorf("the edit did not reach %s: %q", system, got)
		}
	}
}

// TestASurvivorWithoutAPartnerTakesTheLosers: its create is held, so the loser's
// partner becomes its own, and no second one is ever made.
func TestASurvivorWithoutAPartnerTakesTheLosers(t *testing.T) {
	w := newWorld(t, keptID)
	e := w.engine("a", nil)
	b, pb := w.paired(e, crm, 2)
	hold := store.Hold{System: erp, Link: w.link.Name, What: "creates", Reason: "test"}
	if err := w.store.CloseHold(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	a := w.person(crm, 1)
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	first := w.identity(crm, a).ID
	w.mergeIn(crm, a, b)
	w.forget()
	w.hint(crm, b) // the loser alone: the survivor's own row waits for the hold
	for range 40 {
		w.clock.advance(500 * time.Millisecond)
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.store.ReleaseHold(t.Context(), erp, w.link.Name, "creates", "test", "test"); err != nil {
		t.Fatal(err)
	}
	w.settle(e)
	w.agreed(a, pb)
	if got := w.identity(crm, a).ID; got != first {
		t.Errorf("the survivor is of %s, want %s", got, first)
	}
	if n := len(w.births(erp)); n != 1 {
		t.Errorf("%d partners were made, want 1", n)
	}
	if ws := w.waiting(); len(ws) > 0 {
		t.Errorf("waiting %+v", ws)
	}
}
