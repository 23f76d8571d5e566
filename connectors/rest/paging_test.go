package rest_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/simulator/shopsim"
)

// TestNoRecordIsPushedOutOfAListing: with every page a record that was given already
// changes and moves to the end, which shifts all others of its time by one
// (CORRECTNESS F62).
func TestNoRecordIsPushedOutOfAListing(t *testing.T) {
	for _, c := range []struct{ profile, base string }{{"shop", ""}, {"plain", ""}, {"espocrm", "/api/v1"}} {
		for _, everything := range []bool{false, true} {
			t.Run(c.profile, func(t *testing.T) {
				now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
				sim, srv := simulated(t, shopsim.Options{API: c.profile, Now: func() time.Time { return now }})
				conn := client(t, settings(t, c.profile, srv.URL+c.base, simToken, ""))
				object, start := shapes[c.profile].object, now
				var ids []string
				for n := range 20 {
					if n == 15 {
						now = now.Add(time.Minute)
					}
					id, err := sim.UserCreate(object, map[string]string{"name": "Jane"})
					if err != nil {
						t.Fatal(err)
					}
					ids = append(ids, id)
				}
				q := connectors.Query{Since: start, Limit: 3}
				if everything {
					q.Since = time.Time{}
				}
				var seen []string
				var newest time.Time
				for pages := 0; ; pages++ {
					page, err := conn.List(t.Context(), object, q)
					if err != nil || pages > 100 {
						t.Fatalf("page %d: %v", pages, err)
					}
					for _, r := range page.Records {
						if r.Modified.Before(newest) {
							t.Errorf("page %d gives %s of %s after %s", pages, r.ID, r.Modified, newest)
						}
						newest = r.Modified
						seen = append(seen, r.ID)
					}
					if q.Cursor = page.Next; q.Cursor == "" {
						break
					}
					if pages < 8 {
						now = now.Add(time.Minute)
						if err := sim.UserEdit(object, seen[pages], map[string]string{"name": "Joan " + now.String()}); err != nil {
							t.Fatal(err)
						}
					}
				}
				for n, id := range ids {
					if !slices.Contains(seen, id) {
						t.Errorf("record %d (%s) is not in the listing", n, id)
					}
				}
			})
		}
	}
}

// TestAListingThatGoesRoundInCirclesEnds: vendors/http-conventions.md D.1.
func TestAListingThatGoesRoundInCirclesEnds(t *testing.T) {
	srv, asked := scripted(t, func(w http.ResponseWriter, _ seen) {
		_, _ = w.Write([]byte(`{"customers":[{"id":1,"updated_at":"2026-11-20T10:00:00Z"}],"data":[],"next_page_token":"again"}`))
	})
	for _, profile := range []string{"shop", "plain"} {
		conn := client(t, settings(t, profile, srv.URL, simToken, ""))
		q := connectors.Query{Since: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Limit: 1}
		for pages := 0; ; pages++ {
			page, err := conn.List(t.Context(), "customers", q)
			if err != nil {
				break // it may say so
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
			if pages > 300 {
				t.Fatalf("%s: no end after %d calls", profile, len(asked()))
			}
		}
	}
}
