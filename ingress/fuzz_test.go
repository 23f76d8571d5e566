package ingress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	"syncd/store"
)

// Two systems with the vendors' own receivers: crm signs, erp does not.
const (
	crmSecret = "0f5a6b7c8d9e0f1a2b3c4d5e6f708192"
	erpSecret = "aa5a6b7c8d9e0f1a2b3c4d5e6f7081aa"
	signKey   = "a-client-secret"
	publicURL = "https://sync.example.com/in"
)

// tally is a store that can be down and counts what it commits.
type tally struct {
	down      bool
	committed []store.Receipt
}

func (s *tally) Receive(_ context.Context, receipts []store.Receipt) error {
	if s.down {
		return errors.New("down")
	}
	s.committed = append(s.committed, receipts...)
	return nil
}

// bench is a server between real receivers and a tally.
type bench struct {
	*Server
	store     tally
	now       time.Time
	receivers map[string]connectors.Receiver
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	crm, err := hubspot.NewReceiver(hubspot.Config{System: "crm", Secrets: []string{signKey}, Objects: []string{"contacts"}})
	if err != nil {
		tb.Fatal(err)
	}
	erp, err := odoo.NewReceiver(odoo.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	b := &bench{now: noon, receivers: map[string]connectors.Receiver{crmSecret: crm, erpSecret: erp}}
	b.Server = New(Options{Store: &b.store, Now: func() time.Time { return b.now }, Endpoints: []Endpoint{
		{System: "crm", Secrets: []string{crmSecret}, Receiver: crm, Delay: map[string]time.Duration{"contacts": 0}, PublicURL: publicURL},
		{System: "erp", Secrets: []string{erpSecret}, Receiver: erp, Delay: map[string]time.Duration{"res.partner": 0}, PublicURL: publicURL},
	}})
	return b
}

// sign adds what the crm signs with, over the URL as it is sent.
func (b *bench) sign(r *http.Request, target string, body []byte) {
	stamp := strconv.FormatInt(b.now.UnixMilli(), 10)
	m := hmac.New(sha256.New, []byte(signKey))
	io.WriteString(m, strings.ToUpper(r.Method)+publicURL+target+string(body)+stamp)
	r.Header.Set("X-HubSpot-Signature-v3", base64.StdEncoding.EncodeToString(m.Sum(nil)))
	r.Header.Set("X-HubSpot-Request-Timestamp", stamp)
}

// parse gives the request that net/http would make of a head.
func parse(method, target, headers string, body []byte) (*http.Request, bool) {
	head := method + " " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		return nil, false
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return r, true
}

// secretOf gives the path secret that a target holds, raw or escaped.
func secretOf(target string) string {
	plain, err := url.PathUnescape(target)
	if err != nil {
		plain = target
	}
	for _, s := range []string{crmSecret, erpSecret} {
		if strings.Contains(plain, s) {
			return s
		}
	}
	return ""
}

// answers are the statuses that a delivery may have: 500 would be a panic.
var answers = []int{200, 401, 404, 405, 413, 415, 503}

// FuzzDeliver: whatever is sent, nothing panics, the answer has no body, and a
// delivery is acknowledged if and only if its receipt is committed. The one
// exception is a refusal that its vendor wants told as 200.
func FuzzDeliver(f *testing.F) {
	const plain = "Content-Type: application/json"
	contact := []byte(`[{"eventId":1,"portalId":1,"occurredAt":1763640001000,"subscriptionType":"contact.creation","objectId":7}]`)
	partner := []byte(`{"_action":"a(#1)","_id":7,"_model":"res.partner"}`)
	f.Add("POST", "/webhooks/crm/"+crmSecret, plain, contact, true, false)
	f.Add("POST", "/webhooks/crm/"+crmSecret+"?a=%3A", plain, contact, true, true)
	f.Add("POST", "/webhooks/crm/"+crmSecret, plain, contact, false, false)
	f.Add("POST", "/webhooks/erp/"+erpSecret+"/partner/save", plain+"; charset=utf-8", partner, false, false)
	f.Add("POST", "/webhooks/erp/"+erpSecret+"/partner/save", plain, partner, false, true)
	f.Add("POST", "/webhooks/erp/"+erpSecret+"/partner/save", plain, []byte("{"), false, false)
	f.Add("POST", "/webhooks/crm/"+erpSecret, plain, partner, true, false)
	f.Add("PUT", "/webhooks/%65rp/%61a5a6b7c8d9e0f1a2b3c4d5e6f7081aa/%2e%2e/x", plain, partner, false, false)
	f.Add("POST", "//webhooks/erp/../"+erpSecret, plain+"\r\nContent-Encoding: gzip", partner, false, false)
	b := newBench(f)
	f.Fuzz(func(t *testing.T, method, target, headers string, body []byte, signed, down bool) {
		r, ok := parse(method, target, headers, body)
		if !ok {
			return
		}
		b.now = b.now.Add(time.Second) // no rate is used up
		if signed {
			b.sign(r, target, body)
		}
		b.store.down, b.store.committed = down, nil
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, r)
		secret := secretOf(target)
		switch n := len(b.store.committed); {
		case !slices.Contains(answers, w.Code) || w.Body.Len() > 0 || b.held.Load() != 0:
			t.Fatalf("%d with %q, %d bytes held", w.Code, w.Body, b.held.Load())
		case secret == "" && w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed:
			t.Fatalf("%d for a stranger", w.Code)
		case n > 1 || (n == 1 && w.Code != http.StatusOK):
			t.Fatalf("%d with %d receipts", w.Code, n)
		case n == 1:
			checkReceipt(t, b.store.committed[0], secret, signed)
		case w.Code == http.StatusOK && !refused(b, secret, target, r.Method, body):
			t.Fatal("acknowledged without a receipt")
		}
	})
}

// checkReceipt checks that a receipt is of the system whose secret was known,
// and that what the crm says was signed.
func checkReceipt(t *testing.T, r store.Receipt, secret string, signed bool) {
	t.Helper()
	want := map[string]struct{ system, object string }{crmSecret: {"crm", "contacts"}, erpSecret: {"erp", "res.partner"}}[secret]
	if r.System != want.system || r.DeliveryKey == "" || (r.System == "crm" && !signed) {
		t.Fatalf("%+v by the secret of %s, signed %v", r, want.system, signed)
	}
	for _, h := range r.Hints {
		if h.System != want.system || h.Object != want.object || h.RecordID == "" || strings.Trim(h.RecordID, "0123456789") != "" {
			t.Fatalf("hint %+v", h)
		}
	}
}

// refused asks the receiver itself whether it refuses a delivery and wants
// that told as 200.
func refused(b *bench, secret, target, method string, body []byte) bool {
	receiver := b.receivers[secret]
	if receiver == nil || receiver.Policy().RefusedCode != http.StatusOK {
		return false
	}
	_, rest, _ := strings.Cut(strings.SplitN(target, "?", 2)[0], secret)
	d := connectors.Delivery{Method: method, Path: rest, Body: body}
	if receiver.Verify(d, b.now) != nil || !isShallow(body) {
		return true
	}
	_, err := receiver.Parse(d)
	return err != nil
}

// scanAll runs a guard over bytes in pieces and gives how many are good.
func scanAll(data []byte, piece int) (good int, c *guardedConn) {
	c = &guardedConn{}
	for p := range slices.Chunk(data, max(piece, 1)) {
		n := c.scan(p)
		if good += n; n < len(p) {
			break
		}
	}
	return good, c
}

// FuzzGuard: what the guard lets pass does not depend on how the bytes arrive,
// and net/http reads the same length of body from it; two ways to tell the
// length, bare line ends and folded lines never pass.
func FuzzGuard(f *testing.F) {
	const head = "POST /x HTTP/1.1\r\nHost: x\r\n"
	for _, s := range []string{
		head + "Content-Length: 2\r\n\r\n[]" + head + "\r\n", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", head + "A: b\r\n c\r\n\r\n", head + "A: b\n\r\n",
		head + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", head + "Content-Length : 1\r\n\r\n", head + "Content-Length: +1\r\n\r\n", "\r\n\r\n",
		head + "Content-Length:\t007 \r\n\r\n", "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		whole, c := scanAll(data, len(data))
		if parts, d := scanAll(data, piece); parts != whole || c.body != d.body || c.opaque != d.opaque {
			t.Fatalf("%d good bytes at once, %d in pieces of %d", whole, parts, piece)
		}
		head, _, complete := strings.Cut(string(data), "\r\n\r\n")
		if !complete || whole < len(head)+len("\r\n\r\n") {
			return
		}
		if lines := strings.Split(head, "\r\n"); strings.ContainsAny(strings.Join(lines, ""), "\r\n") ||
			slices.ContainsFunc(lines[1:], func(l string) bool { return l == "" || l[0] == ' ' || l[0] == '\t' }) {
			t.Fatalf("passed: %q", head)
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n\r\n")))
		if err != nil {
			return // net/http answers 400 and closes
		}
		_, guard := scanAll([]byte(head+"\r\n\r\n"), len(data))
		chunked := len(r.TransferEncoding) > 0
		if chunked != guard.opaque || (!chunked && r.ContentLength != guard.body) {
			t.Fatalf("%q: net/http reads %d (chunked %v), the guard %d (%v)", head, r.ContentLength, chunked, guard.body, guard.opaque)
		}
	})
}
