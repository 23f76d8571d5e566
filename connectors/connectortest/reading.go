package connectortest

import (
	"math/rand/v2"
	"slices"
	"time"

	"syncd/connectors"
)

// users lets people make n records.
func (l *law) users(n int) (ids []string) {
	for range n {
		ids = append(ids, l.UserCreate(l.values()))
	}
	return ids
}

func readKeepsOrder(l *law) {
	ids := l.users(3)
	asked := []string{ids[2], l.Nobody, ids[0], ids[1]}
	got, err := l.c.Read(l.ctx, l.Object, asked, []string{l.Text})
	if err != nil || len(got) != len(asked) {
		l.Fatalf("%d sightings for %d ids: %v", len(got), len(asked), err)
	}
	for i, s := range got {
		want := connectors.SightFound
		if asked[i] == l.Nobody {
			want = connectors.SightMissing
		}
		if s.Asked != asked[i] || s.Sight != want {
			l.Errorf("sighting %d is %q %s, want %q %s", i, s.Asked, s.Sight, asked[i], want)
		}
	}
}

func readNeverMixes(l *law) {
	ids := l.users(20)
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for i, r := range l.read(ids...) {
		if r.ID != ids[i] {
			l.Errorf("asked for %s, got %s", ids[i], r.ID)
		}
		for _, f := range []string{l.Text, l.Text2, l.Key} {
			if v, shown := r.Values[f]; !shown || v != l.Value(r.ID, f) {
				l.Errorf("record %s shows another %s than it has (shown: %v)", r.ID, f, shown)
			}
		}
		if r.Modified.IsZero() && r.Version == "" {
			l.Errorf("record %s has neither a version nor a time", r.ID)
		}
	}
}

// maxPages bounds a listing: one that does not end fails.
const maxPages = 500

// list walks a listing to its end and gives the versions seen, by id. No
// record is older than since, and by time none is older than the one before.
func (l *law) list(since time.Time, between func(page int)) map[string][]string {
	l.Helper()
	seen := map[string][]string{}
	newest := since
	q := connectors.Query{Since: since, Fields: []string{l.Text}, Limit: 3}
	for page := range maxPages {
		p, err := l.c.List(l.ctx, l.Object, q)
		if err != nil {
			l.Fatalf("page %d: %v%s", page, err, said(err))
		}
		for _, r := range p.Records {
			if !since.IsZero() && r.Modified.Before(newest) {
				l.Errorf("page %d gives a record of %v after %v", page, r.Modified, newest)
			}
			newest = r.Modified
			seen[r.ID] = append(seen[r.ID], r.Values[l.Text])
		}
		if p.Next == "" {
			return seen
		}
		q.Cursor = p.Next
		between(page)
	}
	l.Fatalf("no end after %d pages", maxPages)
	return nil
}

func listSinceSeesAll(l *law) {
	thaw := func() {}
	if l.Freeze != nil {
		thaw = l.Freeze() // everything below has one and the same time
	}
	ids := l.users(11)
	thaw()
	ids = append(ids, l.users(5)...)
	since := l.read(ids[0])[0].Modified
	edited := ids[1]
	l.UserEdit(edited, map[string]string{l.Text: "edited " + l.name})
	if l.Settle != nil {
		l.Settle()
	}
	moved := false
	seen := l.list(since, func(page int) {
		if page == 0 { // a record that changes meanwhile must push no other out
			l.UserEdit(ids[2], map[string]string{l.Text: "moved " + l.name})
			moved = true
			if l.Settle != nil {
				l.Settle()
			}
		}
	})
	for i, id := range ids {
		if len(seen[id]) == 0 {
			l.Errorf("record %d (%s) of %d is not in the listing", i, id, len(ids))
		}
	}
	if !slices.Contains(seen[edited], "edited "+l.name) {
		l.Error("the listing does not show the edit")
	}
	if !moved {
		l.Error("the listing had one page only: the limit was not kept")
	}
}

func listAllSeesAll(l *law) {
	ids := l.users(7)
	seen := l.list(time.Time{}, func(int) {})
	for _, id := range ids {
		if len(seen[id]) == 0 {
			l.Errorf("record %s is not in the listing", id)
		}
	}
}

func findFindsExactly(l *law) {
	a, b, other := l.values(), l.values(), l.values()
	b[l.Text] = a[l.Text] + " and Sons"
	idA, idB := l.UserCreate(a), l.UserCreate(b)
	l.UserCreate(other)
	if got := l.find(l.Text, a[l.Text]); !slices.Equal(got, []string{idA}) {
		l.Errorf("by %s: got %v, want %s", l.Text, got, idA)
	}
	got := l.find(l.Key, b[l.Key], a[l.Key], "nobody."+l.name+"@example.com", a[l.Key])
	slices.Sort(got)
	want := []string{idA, idB}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		l.Errorf("by %s: got %v, want %v", l.Key, got, want)
	}
	if got := l.find(l.Text, "nothing "+l.name); len(got) != 0 {
		l.Errorf("found %v by a value that nothing has", got)
	}
}

func locate(l *law) {
	id := l.users(1)[0]
	got, err := l.c.Locate(l.ctx, l.Object, id, "")
	if err != nil || got.Place != connectors.PlaceHere {
		l.Errorf("a record that is there: %+v, %v", got, err)
	}
	got, err = l.c.Locate(l.ctx, l.Object, l.Nobody, "ct_"+l.name+"_nobody")
	if err != nil || (got.Place != connectors.PlaceUnknown && got.Place != connectors.PlaceDeleted) {
		l.Errorf("an id that nothing has: %+v, %v%s", got, err, said(err))
	}
}
