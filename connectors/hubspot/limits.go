package hubspot

import (
	"net/http"
	"strings"
	"time"
)

// Window is one budget of calls: at most Max in Per, over the requests it
// applies to.
type Window = struct {
	Name    string
	Max     int
	Per     time.Duration
	Applies func(*http.Request) bool
}

// Budgets of an account of the Professional or Enterprise edition (section 7);
// the search's is one below the vendor's own, which other apps share.
const (
	burstMax  = 190
	burstPer  = 10 * time.Second
	searchMax = 4
	searchPer = time.Second
)

// Windows gives the budgets of an account: every call counts in ten_seconds,
// and a search in search as well.
func Windows() []Window {
	return []Window{
		{Name: "ten_seconds", Max: burstMax, Per: burstPer, Applies: func(*http.Request) bool { return true }},
		{Name: "search", Max: searchMax, Per: searchPer, Applies: func(r *http.Request) bool {
			return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/search")
		}},
	}
}
