package flows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
)

// keyWindow is how long the pretend vendor of these laws keeps a key.
const keyWindow = 10 * time.Minute

// keyed is a vendor that keeps idempotency keys, as Stripe does: the same key
// and body give the first answer again, another body with a known key is
// refused, and after the window a key is as good as new. It forgets nothing of
// what it was sent.
type keyed struct {
	connectors.Connector
	w     *world
	kept  map[string]kept
	got   []string    // every create that arrived, key and body
	after func() bool // says whether the answer is lost; nil: never
}

type kept struct {
	at     time.Time
	body   string
	result connectors.Result
}

func (k *keyed) Write(ctx context.Context, object string, op connectors.Op, ws []connectors.Write) []connectors.Result {
	if op != connectors.Create {
		return k.Connector.Write(ctx, object, op, ws)
	}
	out := make([]connectors.Result, len(ws))
	for i, w := range ws {
		body := fmt.Sprint(w.Token, w.Values)
		k.got = append(k.got, w.Key+" "+body)
		old, known := k.kept[w.Key]
		switch {
		case !known || k.w.clock.now().Sub(old.at) > keyWindow:
			out[i] = k.Connector.Write(ctx, object, op, ws[i:i+1])[0]
			k.kept[w.Key] = kept{k.w.clock.now(), body, out[i]}
		case old.body != body:
			out[i] = connectors.Result{Key: w.Key, Outcome: connectors.NotApplied,
				Err: &connectors.Error{Kind: connectors.KindInvalid, System: crm, Op: "create", Said: "the key was used with another body"}}
		default:
			out[i] = old.result
		}
	}
	if k.after != nil && k.after() {
		return unanswered(ws)
	}
	return out
}

// keeping makes the CRM a vendor that keeps keys; its class stays search.
func (w *world) keeping(owner string, s *steps) (*flows.Engine, *keyed) {
	info := w.infos[crm]
	o := info.Objects[contacts]
	o.RepeatWindow = keyWindow
	info.Objects[contacts] = o
	k := &keyed{w: w, kept: map[string]kept{}}
	e := w.engine(owner, s, over(crm, func(c connectors.Connector) connectors.Connector {
		k.Connector = c
		return k
	}))
	return e, k
}

func TestUncertainCreateIsRepeatedAtOnceByteForByte(t *testing.T) {
	w := newWorld(t, searched)
	e, k := w.keeping("a", nil)
	lost := 3
	var partner string
	k.after = func() bool {
		if lost == 3 { // the source moves on while the create is in doubt
			w.edit(erp, partner, map[string]string{"city": "Brno"})
		}
		lost--
		return lost >= 0
	}
	partner = w.person(erp, 1)
	began := w.clock.now()
	for lost >= 0 && w.clock.now().Sub(began) < time.Hour {
		w.deliver()
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		if len(w.births(crm)) > 0 {
			w.forget() // its echo does not come
		}
		w.clock.advance(500 * time.Millisecond)
	}
	took := w.clock.now().Sub(began)
	w.settle(e)
	if len(k.got) != 4 {
		t.Fatalf("%d creates arrived: %v", len(k.got), k.got)
	}
	for _, g := range k.got[1:] {
		if g != k.got[0] {
			t.Errorf("the repeat %q is not %q", g, k.got[0])
		}
	}
	if took > 2*time.Minute {
		t.Errorf("it took %v, as if it had settled", took)
	}
	if got := w.get(crm, w.births(crm)[0])["city"]; got != "Brno" {
		t.Errorf("the newer value did not follow: %q", got)
	}
	w.converged(1)
}

func TestAfterTheRepeatWindowACreateSettlesAndIsLookedUp(t *testing.T) {
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, searched)
			e, k := w.keeping("a", nil)
			down := true
			inner := k.Connector
			k.after = func() bool { return down }
			if !applied {
				k.Connector = &unsure{Connector: inner, create: func(_ string, ws []connectors.Write) []connectors.Result {
					if down {
						return unanswered(ws)
					}
					return nil
				}}
			}
			w.person(erp, 1)
			w.clock.advance(3 * time.Second)
			w.deliver()
			w.clock.advance(3 * time.Second)
			if _, err := w.drain(e); err != nil {
				t.Fatal(err)
			}
			w.forget()
			down = false
			began := w.clock.now()
			w.clock.advance(keyWindow)
			w.settle(e)
			want := map[bool]int{true: 1, false: 2}[applied]
			if len(k.got) != want || len(k.got) == 2 && k.got[0] == k.got[1] {
				t.Errorf("creates %v; want %d, with keys of their own", k.got, want)
			}
			if took := w.clock.now().Sub(began); !applied && took < w.infos[crm].Objects[contacts].Settle {
				t.Errorf("sent again after %v", took)
			}
			w.converged(1)
		})
	}
}

// A refusal of the repeat says nothing about the send that it repeats.
func TestRefusedRepeatDoesNotTakeTheFirstSendBack(t *testing.T) {
	w := newWorld(t, searched)
	_, k := w.keeping("z", nil)
	sent := 0
	e := w.engine("a", nil, over(crm, func(connectors.Connector) connectors.Connector {
		return &unsure{Connector: k, create: func(object string, ws []connectors.Write) []connectors.Result {
			switch sent++; sent {
			case 1:
				k.Write(t.Context(), object, connectors.Create, ws)
				return unanswered(ws)
			case 2:
				return []connectors.Result{{Key: ws[0].Key, Outcome: connectors.NotApplied,
					Err: &connectors.Error{Kind: connectors.KindInvalid, System: crm, Op: "create", Said: "no"}}}
			}
			return nil
		}}
	}))
	partner := w.nameless(erp)
	for range 60 {
		w.deliver()
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		if len(w.births(crm)) > 0 {
			w.forget() // its echo does not come
		}
		w.clock.advance(500 * time.Millisecond)
	}
	w.parkedAs("refused")
	w.clock.advance(time.Hour)
	w.hint(erp, partner)
	w.settle(e)
	if b := w.births(crm); len(b) != 1 || sent != 2 {
		t.Fatalf("contacts %v after %d sends", b, sent)
	}
	w.converged(1)
}

func TestCrashAroundAKeyedCreateMakesOneRecord(t *testing.T) {
	for _, how := range []trouble{crashBefore, crashAfter, lostBefore, lostAfter} {
		t.Run(string(how), func(t *testing.T) {
			for k := 1; ; k++ {
				w := newWorld(t, searched)
				s := &steps{at: k, how: how}
				e, vendor := w.keeping("a", s)
				w.person(erp, 1)
				for range 60 {
					w.deliver()
					if _, err := w.drain(e); err != nil || s.dead || w.idle() {
						break
					}
					w.clock.advance(500 * time.Millisecond)
				}
				if s.n < k {
					return
				}
				w.clock.advance(leaseTime + time.Second)
				w.settle(w.engine("b", nil, over(crm, func(c connectors.Connector) connectors.Connector {
					vendor.Connector = c
					return vendor
				})))
				w.converged(1)
				if t.Failed() {
					t.Fatalf("step %d", k)
				}
			}
		})
	}
}
