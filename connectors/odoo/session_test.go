package odoo

import (
	"context"
	"testing"
	"time"

	"syncd/connectors"
)

// What fails before the write itself is proof that nothing was written.
func TestTroubleBeforeTheWrite(t *testing.T) {
	for _, x := range []struct{ spoil, answer, want string }{
		{"common.version", "busy", "not_applied transient whole"},
		{"common.authenticate", "busy", "not_applied transient whole"},
		{"res.partner.fields_get", "busy", "not_applied transient whole"},
	} {
		f := newFake()
		f.answers[x.spoil], f.status[x.spoil] = []string{x.answer}, 502
		c, _ := dial(t, f)
		if got := outcomes(c.Write(t.Context(), object, connectors.Update, updates("a"))); got != x.want {
			t.Errorf("%s: %s", x.spoil, got)
		}
		if n := len(f.of(object, "write")); n != 0 {
			t.Errorf("%s: %d writes", x.spoil, n)
		}
	}
	f := newFake()
	f.answers["common.authenticate"] = []string{"false"}
	c, _ := dial(t, f)
	if got := outcomes(c.Write(t.Context(), object, connectors.Update, updates("a"))); got != "not_applied auth whole" {
		t.Error(got)
	}
}

// A dead key makes the next call ask anew who we are.
func TestDeadKeyIsAskedAgain(t *testing.T) {
	f := newFake()
	f.answers["res.partner.write"] = []string{oops("odoo.exceptions.AccessDenied", "Access Denied"), `true`}
	c, _ := dial(t, f)
	for _, want := range []string{"not_applied auth whole", "applied 1"} {
		if got := outcomes(c.Write(t.Context(), object, connectors.Update, updates("a"))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if n := len(f.of("common", "authenticate")); n != 2 {
		t.Errorf("authenticated %d times", n)
	}
}

// A proxy that knows neither path for a moment does not change the protocol.
func TestProxysNotFoundIsNoUpgrade(t *testing.T) {
	f := newFake()
	f.answers["res.partner.write"] = []string{`true`}
	f.status["res.partner.write"] = 404
	c, _ := dial(t, f)
	if got := outcomes(c.Write(t.Context(), object, connectors.Update, updates("a"))); got != "not_applied config whole" {
		t.Error(got)
	}
	delete(f.status, "res.partner.write")
	if got := outcomes(c.Write(t.Context(), object, connectors.Update, updates("a"))); got != "applied 1" {
		t.Error(got)
	}
}

func TestPauseEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	sleep(ctx, time.Minute)
	sleep(t.Context(), time.Millisecond)
	if time.Since(start) > 10*time.Second {
		t.Error("slept on")
	}
}

// A context that ends during the pause ends the repeats; nothing was written.
func TestConflictAndTheEndOfTime(t *testing.T) {
	f := newFake()
	f.answers["res.partner.load"] = []string{loadLostRace}
	c, _ := dial(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.c.Pause = func(context.Context, time.Duration) { cancel() }
	if got := outcomes(c.Write(ctx, object, connectors.Create, creates("Ann", "Ben"))); got != "not_applied transient whole, not_applied transient whole" {
		t.Error(got)
	}
	if n := len(f.of(object, "load")); n != 1 {
		t.Errorf("%d loads", n)
	}
}

func TestTwoMessagesAboutOneRow(t *testing.T) {
	a := readLoad([]byte(`{"ids":false,"messages":[{"type":"error","record":0,"message":"one"},{"type":"error","record":0,"field":"name","message":"two"}]}`), 1)
	if r := a.rows[0]; a.fate != loadRefused || r.field != "name" || r.said != "one; two" {
		t.Errorf("%+v", a)
	}
}
