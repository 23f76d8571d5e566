package e2e_test

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// door stands before a vendor's API: shut, it keeps the next call of a kind
// waiting, so that a test can act while the call is on its way.
type door struct {
	mu   sync.Mutex
	shut *keeper
}

// keeper keeps one call that holds a word in its path or body.
type keeper struct {
	word    []byte
	arrived chan struct{}
	release chan bool // whether the vendor gets to see it
}

// keep shuts the door for the next call with the word.
func (d *door) keep(word string) *keeper {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = &keeper{word: []byte(word), arrived: make(chan struct{}), release: make(chan bool)}
	return d.shut
}

// open lets the kept call through, turnAway cuts it off before the vendor has
// seen it.
func (k *keeper) open()     { k.release <- true }
func (k *keeper) turnAway() { k.release <- false }

func (d *door) before(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller has gone
		}
		if k := d.keeperOf(append([]byte(r.URL.Path), body...)); k != nil {
			close(k.arrived)
			if !<-k.release {
				panic(http.ErrAbortHandler)
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

func (d *door) keeperOf(call []byte) *keeper {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.shut
	if k == nil || !bytes.Contains(call, k.word) {
		return nil
	}
	d.shut = nil
	return k
}

// kept waits until the kept call has arrived.
func (w *world) kept(k *keeper) {
	w.t.Helper()
	w.told("the write is on its way", func() bool {
		select {
		case <-k.arrived:
			return true
		default:
			return false
		}
	})
}
