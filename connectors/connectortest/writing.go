package connectortest

import (
	"slices"
	"sync"

	"syncd/connectors"
)

func createIsFound(l *law) {
	before := l.born()
	w := l.create()
	id := l.made(w)[0]
	if n := l.born() - before; n != 1 {
		l.Fatalf("one create made %d records", n)
	}
	if got := l.find(l.Token, w.Token); !slices.Equal(got, []string{id}) {
		l.Errorf("found %v by the token, want %s", got, id)
	}
	for f, v := range w.Values {
		if l.Value(id, f) != v {
			l.Errorf("field %s was not written", f)
		}
	}
	if l.Features.TokenVisible && l.Value(id, l.Token) != w.Token {
		l.Error("the record does not hold the token")
	}
	if l.shape.TokenVisible != l.Features.TokenVisible || l.shape.AnswersRecord != l.Features.AnswersRecord ||
		(l.shape.CreateClass == connectors.ClassUnique) != l.Features.Unique {
		l.Errorf("declared: class %s, token visible %v, answers record %v; features: %+v",
			l.shape.CreateClass, l.shape.TokenVisible, l.shape.AnswersRecord, l.Features)
	}
}

// again gives a create with the token of another one and all else different.
func (l *law) again(w connectors.Write) connectors.Write {
	x := l.create()
	x.Token = w.Token
	return x
}

func createTwice(l *law) {
	if !l.Features.Unique {
		l.Log("the class is not unique: the vendor refuses nothing")
		return
	}
	before := l.born()
	w := l.create()
	id := l.made(w)[0]
	r := l.write(connectors.Create, l.again(w))[0]
	if n := l.born() - before; n != 1 {
		l.Errorf("two creates with one token made %d records", n)
	}
	if r.Outcome != connectors.Exists && r.Outcome != connectors.Applied {
		l.Errorf("the second create is %s: %v", r.Outcome, r.Err)
	}
	if r.RecordID != "" && r.RecordID != id {
		l.Errorf("the second create names record %s, the first made %s", r.RecordID, id)
	}
}

func createTogether(l *law) {
	if !l.Features.Unique {
		l.Log("the class is not unique: the vendor refuses nothing")
		return
	}
	before := l.born()
	first := l.create()
	writes := []connectors.Write{first}
	for range 7 {
		writes = append(writes, l.again(first))
	}
	results := make([]connectors.Result, len(writes))
	var wg sync.WaitGroup
	for i, w := range writes {
		wg.Go(func() {
			results[i] = l.c.Write(l.ctx, l.Object, connectors.Create, []connectors.Write{w})[0]
		})
	}
	wg.Wait()
	l.check(connectors.Create, writes, results)
	if n := l.born() - before; n != 1 {
		l.Fatalf("%d records were made", n)
	}
	id := l.Births()[before]
	applied := 0
	for i, r := range results {
		if r.RecordID != "" && r.RecordID != id {
			l.Errorf("create %d names record %s, the one made is %s", i, r.RecordID, id)
		}
		if r.Outcome == connectors.Applied {
			applied++
		}
	}
	if applied == 0 {
		l.Error("a record was made and no create says so")
	}
}

func resultPerWrite(l *law) {
	creates := []connectors.Write{l.create(), l.create(), l.create(), l.create(), l.create()}
	ids := l.made(creates...)
	for i, id := range ids {
		if l.Value(id, l.Key) != creates[i].Values[l.Key] {
			l.Errorf("create %d is said to be record %s, which holds another's values", i, id)
		}
	}
	slices.Reverse(ids)
	var updates []connectors.Write
	for _, id := range ids {
		updates = append(updates, l.update(id, map[string]string{l.Text2: "second of " + id}))
	}
	for i, r := range l.write(connectors.Update, updates...) {
		if r.Outcome != connectors.Applied || r.RecordID != ids[i] {
			l.Errorf("update %d: %s of %s, want %s: %v", i, r.Outcome, r.RecordID, ids[i], r.Err)
		}
		if l.Value(ids[i], l.Text2) != "second of "+ids[i] {
			l.Errorf("update %d went elsewhere", i)
		}
	}
}

// updated makes an update that must succeed.
func (l *law) updated(id string, values map[string]string) {
	l.Helper()
	if r := l.write(connectors.Update, l.update(id, values))[0]; r.Outcome != connectors.Applied {
		l.Fatalf("update: %s: %v", r.Outcome, r.Err)
	}
}

func updateOnlyNamed(l *law) {
	v := l.values()
	id := l.UserCreate(v)
	l.updated(id, map[string]string{l.Text2: "new"})
	if l.Value(id, l.Text2) != "new" {
		l.Errorf("%s was not written", l.Text2)
	}
	for _, f := range []string{l.Text, l.Key} {
		if l.Value(id, f) != v[f] {
			l.Errorf("%s changed though it was not named", f)
		}
	}
}

func nullClears(l *law) {
	id := l.users(1)[0]
	l.updated(id, map[string]string{l.Text2: ""})
	if l.Value(id, l.Text2) != "" {
		l.Errorf("%s was not cleared", l.Text2)
	}
	if v, shown := l.read(id)[0].Values[l.Text2]; !shown || v != "" {
		l.Errorf("a cleared field that was asked for: shown %v, empty %v", shown, v == "")
	}
}
