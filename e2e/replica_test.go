package e2e_test

import (
	"strings"
	"testing"
)

// TestTwoReplicasMakeEachRecordOnce: two daemons on one PostgreSQL, either of
// which gets a copy of every webhook. One ends in the middle.
func TestTwoReplicasMakeEachRecordOnce(t *testing.T) {
	t.Parallel()
	const n = 120
	w := newWorld(t, settings{Store: onPostgres, Held: true, Seed: 121})
	first := w.start()
	c := loadConfig(t, w.configPath())
	hooks := address(t)
	c.Server.Webhooks.Listen, c.Server.Ops.Listen = hooks, address(t)
	second := w.launchAs(c)
	t.Cleanup(func() {
		if err := second.end(t); err != nil {
			t.Errorf("the second replica: %v", err)
		}
	})
	w.told("the second flows", second.Flowing)
	w.courier.to = func(i int, url string) string {
		if _, gone := first.exited(); i%2 == 0 || gone {
			return strings.Replace(url, w.hooks, hooks, 1)
		}
		return url
	}
	all := people(w.s.Seed, n)
	for i, p := range all {
		switch i % 3 {
		case 0:
			w.crmCreate(p)
		case 1:
			w.erpCreate(p)
		default: // born on both sides
			w.crmCreate(p)
			w.erpCreate(p)
		}
	}
	w.courier.release(2)
	w.told("work has begun", func() bool { return len(w.crm.Truth().Births(contacts)) > n*2/3 })
	w.node = second
	if err := first.end(t); err != nil {
		t.Errorf("the first replica: %v", err)
	}
	w.holds("each is there once", func() string { return w.onePair(n) })
	w.quiet()
	for _, against := range []string{w.onePair(n), w.equal(), mapped(second.Daemon, w)} {
		if against != "" {
			t.Errorf("at rest: %s", against)
		}
	}
	if n := w.courier.refusals(); n > 0 {
		t.Errorf("%d webhooks were never taken", n)
	}
	w.redelivered()
	w.node = nil // ended by its own clean-up
}
