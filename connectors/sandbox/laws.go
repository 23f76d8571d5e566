package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"syncd/connectors"
)

// found looks the token up and gives the records that hold it.
func (t *trial) found(ctx context.Context, token string) ([]string, error) {
	got, err := t.Conn.Find(ctx, t.Object, connectors.Lookup{Field: t.shape.TokenField, Values: []string{token}}, []string{t.shape.TokenField})
	var ids []string
	for _, r := range got {
		if v, shown := r.Values[t.shape.TokenField]; !shown || v == token {
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}

func (t *trial) find(ctx context.Context) error {
	if t.shape.TokenField == "" {
		return skip("there is no token field")
	}
	sent := t.Now()
	for looks := 0; ; looks++ {
		ids, err := t.found(ctx, t.token)
		if err != nil {
			return err
		}
		lag := t.Now().Sub(sent)
		switch {
		case len(ids) == 1 && ids[0] == t.id && looks > 0 && lag > t.shape.IndexLag+step:
			return fmt.Errorf("the look-up showed it after %s, and the connector promises %s: raise the lag", lag.Round(time.Millisecond), t.shape.IndexLag)
		case len(ids) == 1 && ids[0] == t.id:
			return note("after " + lag.Round(time.Millisecond).String())
		case len(ids) > 0:
			return fmt.Errorf("it finds %v, not only %s", ids, t.id)
		case lag > patience:
			return fmt.Errorf("nothing is found after %s", patience)
		}
		if err := t.Wait(ctx, step); err != nil {
			return err
		}
	}
}

// again gives a create with the same token and all else different.
func (t *trial) again(n int) connectors.Write {
	return connectors.Write{Key: fmt.Sprintf("%s_%d", t.token, n), Token: t.token, Values: t.Make(n)}
}

func (t *trial) createAgain(ctx context.Context) error {
	switch {
	case t.shape.CreateClass == connectors.ClassUnique:
		r := t.send(ctx, connectors.Create, t.again(2))
		if r.Outcome == connectors.Applied && r.RecordID != t.id {
			return fmt.Errorf("a second record was made, %s: the class is not unique", r.RecordID)
		}
		if r.Outcome != connectors.Exists && r.Outcome != connectors.Applied {
			return fmt.Errorf("the second create is %w", failed(r))
		}
		return nil
	case t.shape.CreateClass == connectors.ClassSearch && t.shape.RepeatWindow > 0:
		r := t.send(ctx, connectors.Create, t.write) // the same key, to the byte
		if r.Outcome == connectors.Applied && r.RecordID != t.id {
			return fmt.Errorf("a second record was made, %s: the key is not honoured", r.RecordID)
		}
		return failed(r)
	}
	return skip(fmt.Sprintf("class %s without a repeat window: the system refuses nothing, syncd looks first", t.shape.CreateClass))
}

// together is how many creates are sent at once.
const together = 4

func (t *trial) createTogether(ctx context.Context) error {
	if t.shape.CreateClass != connectors.ClassUnique {
		return skip("class " + string(t.shape.CreateClass))
	}
	token := t.token + "c"
	results := make([]connectors.Result, together)
	var wg sync.WaitGroup
	for i := range results {
		w := t.again(i + 3)
		w.Token = token
		wg.Go(func() { results[i] = t.Conn.Write(ctx, t.Object, connectors.Create, []connectors.Write{w})[0] })
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, r := range results {
		if r.Outcome == connectors.Applied {
			ids[r.RecordID] = true
		}
	}
	if err := t.Wait(ctx, t.shape.IndexLag); err != nil {
		return err
	}
	found, err := t.found(ctx, token)
	if err != nil {
		return err
	}
	for _, id := range found {
		ids[id] = true
	}
	t.made = append(t.made, slices.Sorted(maps.Keys(ids))...)
	if len(ids) != 1 {
		return fmt.Errorf("%d records were made: the class is not unique", len(ids))
	}
	return nil
}

// changed sends an update and looks at the record.
func (t *trial) changed(ctx context.Context, v connectors.Value) error {
	r := t.send(ctx, connectors.Update, connectors.Write{Key: t.token + "_u", RecordID: t.id, Values: map[string]connectors.Value{t.Edit: v}})
	if err := failed(r); err != nil {
		return err
	}
	want := maps.Clone(t.values)
	want[t.Edit] = v
	return t.holds(ctx, want)
}

func (t *trial) update(ctx context.Context) error { return t.changed(ctx, t.values[t.Edit]+" edited") }

func (t *trial) empty(ctx context.Context) error {
	err := t.changed(ctx, "")
	if r := t.send(ctx, connectors.Update, connectors.Write{Key: t.token + "_b", RecordID: t.id, Values: map[string]connectors.Value{t.Edit: t.values[t.Edit]}}); err == nil {
		err = failed(r)
	}
	return err
}

// listed waits until a listing of what changed since the trial began shows the record.
func (t *trial) listed(ctx context.Context) error {
	sent := t.Now()
	for {
		shown, err := t.shown(ctx)
		switch lag := t.Now().Sub(sent); {
		case err != nil:
			return err
		case shown:
			return note("after " + lag.Round(time.Millisecond).String())
		case lag > patience:
			return fmt.Errorf("it is not there after %s", patience)
		}
		if err := t.Wait(ctx, step); err != nil {
			return err
		}
	}
}

func (t *trial) shown(ctx context.Context) (bool, error) {
	q := connectors.Query{Since: t.began.Add(-t.shape.Overlap), Fields: t.names()}
	for range maxPages {
		page, err := t.Conn.List(ctx, t.Object, q)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page.Records, func(r connectors.Record) bool { return r.ID == t.id }) {
			return true, nil
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return false, nil
		}
	}
	return false, fmt.Errorf("not on the first %d pages: too much changes here, try a quiet sandbox", maxPages)
}

// seen does a removal and says how the record is seen then.
func (t *trial) seen(ctx context.Context, op connectors.Op, want connectors.Sight) error {
	for range 2 { // done already is done
		r := t.send(ctx, op, connectors.Write{Key: t.token + "_" + string(op), RecordID: t.id})
		if err := failed(r); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		s, err := t.now(ctx, t.id)
		if err == nil && s.Sight != want {
			err = fmt.Errorf("after %s the record is %s, not %s", op, s.Sight, want)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) archive(ctx context.Context) error {
	can := func(op connectors.Op) bool { return slices.Contains(t.shape.Removes, op) }
	if !can(connectors.Archive) {
		return skip("the connector declares no bin")
	}
	if err := t.seen(ctx, connectors.Archive, connectors.SightArchived); err != nil {
		return err
	}
	if !can(connectors.Restore) {
		t.gone[t.id] = true
		return note("it stays there: nothing takes it out")
	}
	return t.seen(ctx, connectors.Restore, connectors.SightFound)
}

func (t *trial) delete(ctx context.Context) error {
	if !slices.Contains(t.shape.Removes, connectors.Delete) {
		return skip("the connector declares no delete")
	}
	if err := t.seen(ctx, connectors.Delete, connectors.SightMissing); err != nil {
		return err
	}
	t.gone[t.id] = true
	at, err := t.Conn.Locate(ctx, t.Object, t.id, t.token)
	if err == nil && (at.Place == connectors.PlaceHere || at.Place == connectors.PlaceArchived) {
		err = errors.New("it is located as " + string(at.Place))
	}
	return err
}
