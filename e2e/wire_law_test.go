package e2e_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestWireMakesTheTroubleItIsToldTo: a lab whose troubles do nothing would be
// green for ever.
func TestWireMakesTheTroubleItIsToldTo(t *testing.T) {
	t.Parallel()
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	heard := make(chan []byte, 16)
	go func() { // it answers everything it hears with the same
		for {
			c, err := far.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var all []byte
				buf := make([]byte, 1024)
				for {
					n, err := c.Read(buf)
					all = append(all, buf[:n]...)
					if err != nil {
						heard <- all
						return
					}
					if _, err := c.Write(buf[:n]); err != nil {
						heard <- all
						return
					}
				}
			}()
		}
	}()
	w := newWire(t)
	w.lead(far.Addr().String())
	text := bytes.Repeat([]byte("0123456789"), 20)
	// said sends the text and gives what comes back within the time.
	said := func(limit time.Duration) ([]byte, error) {
		c, err := net.Dial("tcp", w.address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(text); err != nil {
			return nil, err
		}
		_ = c.SetReadDeadline(time.Now().Add(limit))
		got := make([]byte, len(text))
		n, err := io.ReadFull(c, got)
		return got[:n], err
	}
	for _, kind := range []trouble{{}, {kind: wireSlice, bytes: 7}, {kind: wireDelay, delay: 20 * time.Millisecond}} {
		w.set(kind)
		began := time.Now()
		if got, err := said(patience); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%v: got %d bytes, %v", kind, len(got), err)
		}
		if took := time.Since(began); took < 2*kind.delay {
			t.Errorf("%v: there and back in %s", kind, took)
		}
		if all := <-heard; !bytes.Equal(all, text) {
			t.Errorf("%v: %d bytes arrived", kind, len(all))
		}
	}
	w.set(trouble{kind: wireReset})
	if got, err := said(patience); err == nil {
		t.Errorf("through a reset wire came %d bytes", len(got))
	}
	w.set(trouble{kind: wireCutOut, bytes: 33})
	if _, err := said(patience); err == nil {
		t.Error("a cut request was answered")
	}
	if all := <-heard; len(all) > 33 {
		t.Errorf("%d bytes of a cut request arrived", len(all))
	}
	w.set(trouble{kind: wireCutIn, bytes: 11})
	if got, err := said(patience); err == nil || len(got) > 11 {
		t.Errorf("of a cut answer came %d bytes, %v", len(got), err)
	}
	if all := <-heard; !bytes.Equal(all, text) {
		t.Errorf("of the request of a cut answer arrived %d bytes", len(all))
	}
	w.set(trouble{kind: wireHold})
	var late net.Error
	if _, err := said(50 * time.Millisecond); !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("through a held wire: %v", err)
	}
	w.set(trouble{})
	if all := <-heard; !bytes.Equal(all, text) {
		t.Errorf("of a held request whose sender had gone arrived %d bytes", len(all))
	}
}
