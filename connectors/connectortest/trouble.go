package connectortest

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"syncd/connectors"
)

// kind gives the kind of an error that must be the contract's.
func (l *law) kind(err error) connectors.Kind {
	l.Helper()
	var e *connectors.Error
	if !errors.As(err, &e) {
		l.Fatalf("the error is no *connectors.Error: %v", err)
	}
	return e.Kind
}

func lostAnswer(l *law) {
	before := l.born()
	w := l.create()
	l.DropAfterWrite()
	r := l.write(connectors.Create, w)[0]
	l.Clear()
	if r.Outcome != connectors.Unknown {
		l.Errorf("a create whose answer was lost is %s", r.Outcome)
	}
	if n := l.born() - before; n != 1 {
		l.Fatalf("%d records were made: the fault did not let the write through, or something sent it again", n)
	}
	if got := l.find(l.Token, w.Token); !slices.Equal(got, l.Births()[before:]) {
		l.Errorf("found %v by the token, want %v", got, l.Births()[before:])
	}
	id := l.users(1)[0]
	l.DropAfterWrite()
	r = l.write(connectors.Update, l.update(id, map[string]string{l.Text2: "new"}))[0]
	if r.Outcome != connectors.Unknown || l.Value(id, l.Text2) != "new" {
		l.Errorf("an update whose answer was lost is %s, done: %v", r.Outcome, l.Value(id, l.Text2) == "new")
	}
}

func serverError(l *law) {
	l.RefuseNext(http.StatusServiceUnavailable)
	r := l.write(connectors.Create, l.create())[0]
	if r.Outcome != connectors.Unknown {
		l.Errorf("a create that was answered with 503 is %s", r.Outcome)
	}
}

func unsent(l *law) {
	before := l.born()
	c := l.ConnectNowhere(l.T)
	writes := []connectors.Write{l.create(), l.create()}
	for i, r := range l.check(connectors.Create, writes, c.Write(l.ctx, l.Object, connectors.Create, writes)) {
		if r.Outcome != connectors.NotApplied || r.Err == nil || r.Err.Kind != connectors.KindTransient || !r.Err.WholeCall {
			l.Errorf("write %d never left and is %s: %+v", i, r.Outcome, r.Err)
		}
	}
	if _, err := c.Read(l.ctx, l.Object, []string{l.Nobody}, nil); l.kind(err) != connectors.KindTransient {
		l.Errorf("a read that never left: %v", err)
	}
	if l.born() != before {
		l.Error("records were made")
	}
}

func oneBad(l *law) {
	before := l.born()
	writes := []connectors.Write{l.create(), l.create(), l.create()}
	maps.Copy(writes[1].Values, l.Bad)
	applied := 0
	for i, r := range l.write(connectors.Create, writes...) {
		switch {
		case r.Outcome == connectors.Applied:
			applied++
			if i == 1 {
				l.Error("the bad record was applied")
			}
		case r.Outcome != connectors.NotApplied:
			l.Errorf("write %d is %s: %v", i, r.Outcome, r.Err)
		case i == 1 && !r.Err.WholeCall && (r.Err.Kind != connectors.KindInvalid || r.Err.Said == ""):
			l.Errorf("the bad record: kind %s, the vendor's words %q", r.Err.Kind, r.Err.Said)
		case i == 1 && r.Err.WholeCall && !l.Features.WriteAtomic:
			l.Error("the bad record is not blamed for itself")
		case i != 1 && (!l.Features.WriteAtomic || !r.Err.WholeCall):
			l.Errorf("write %d suffers from the bad one: %v", i, r.Err)
		}
	}
	if n := l.born() - before; n != applied {
		l.Errorf("%d records were made, %d are said to be", n, applied)
	}
	alone := l.create()
	maps.Copy(alone.Values, l.Bad)
	if r := l.write(connectors.Create, alone)[0]; r.Outcome != connectors.NotApplied || r.Err.Kind != connectors.KindInvalid || r.Err.WholeCall {
		l.Errorf("a bad record alone must be blamed: %s, %+v", r.Outcome, r.Err)
	}
}

func throttled(l *law) {
	id := l.users(1)[0]
	before := l.born()
	l.Throttle()
	r := l.write(connectors.Create, l.create())[0]
	if r.Err == nil || r.Err.Kind != connectors.KindThrottled || !r.Err.WholeCall || r.Outcome == connectors.Applied {
		l.Errorf("a throttled write is %s: %+v", r.Outcome, r.Err)
	}
	if _, err := l.c.Read(l.ctx, l.Object, []string{id}, []string{l.Text}); l.kind(err) != connectors.KindThrottled {
		l.Errorf("a throttled read: %v", err)
	}
	if l.born() != before {
		l.Error("records were made")
	}
}

func deadCredential(l *law) {
	c := l.ConnectDead(l.T)
	if _, err := c.Probe(l.ctx, []string{l.Object}); l.kind(err) != connectors.KindAuth {
		l.Errorf("probe: %v", err)
	}
	w := l.create()
	r := l.check(connectors.Create, []connectors.Write{w}, c.Write(l.ctx, l.Object, connectors.Create, []connectors.Write{w}))[0]
	if r.Outcome != connectors.NotApplied || r.Err.Kind != connectors.KindAuth || !r.Err.WholeCall {
		l.Errorf("write: %s, %+v", r.Outcome, r.Err)
	}
}

func unknownField(l *law) {
	id := l.users(1)[0]
	r := l.write(connectors.Update, l.update(id, map[string]string{l.NoSuch: "x"}))[0]
	if r.Outcome != connectors.NotApplied || r.Err.Kind != connectors.KindConfig || r.Err.Field != l.NoSuch {
		l.Errorf("%s, %+v; want a config error that names %s", r.Outcome, r.Err, l.NoSuch)
	}
}

func setupTwice(l *law) {
	for range 2 { // begin has done it before
		if err := l.c.Setup(l.ctx, l.customFields()); err != nil {
			l.Fatalf("setup again: %v", err)
		}
	}
	o := l.probe(l.c)
	if _, ok := o.Fields[l.Token]; !ok || o.TokenField == "" {
		l.Errorf("the token field: in the schema %v, declared %q", ok, o.TokenField)
	}
}
