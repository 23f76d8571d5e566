package ingress

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
)

// shaker sends the query's word back and takes nothing else.
type shaker struct{ handshakes bool }

func (s shaker) Policy() connectors.AnswerPolicy {
	return connectors.AnswerPolicy{Handshakes: s.handshakes}
}

func (shaker) Verify(connectors.Delivery, time.Time) error { return nil }

func (shaker) Parse(d connectors.Delivery) (connectors.Events, error) {
	_, word, ok := strings.Cut(d.URL, "?token=")
	if !ok {
		return connectors.Events{}, &connectors.Refusal{Reason: connectors.RefusedMalformed}
	}
	return connectors.Events{Reply: strings.NewReplacer("%20", " ", "%3C", "<").Replace(word)}, nil
}

// TestAHandshakesWordGoesBackAsPlainText: SECURITY S26; nothing is stored for it.
func TestAHandshakesWordGoesBackAsPlainText(t *testing.T) {
	for _, c := range []struct {
		name, query, body, kind string
		handshakes              bool
		code                    int
		reply                   string
	}{
		{"without a body, of any type", "?token=abc-1.2_3~=", "", "text/plain", true, 200, "abc-1.2_3~="},
		{"without a body, of a vendor that has none", "?token=abc", "", "text/plain", false, 415, ""},
		{"with a body of another type", "?token=abc", "x", "text/plain", true, 415, ""},
		{"as JSON", "?token=abc", "{}", "application/json", false, 200, "abc"},
		{"what means something in a page", "?token=%3Cscript", "{}", "application/json", true, 401, ""},
		{"a blank", "?token=a%20b", "{}", "application/json", true, 401, ""},
		{"a long one", "?token=" + strings.Repeat("a", 513), "{}", "application/json", true, 401, ""},
		{"no word at all", "", "", "text/plain", true, 401, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(func(o *Options) { o.Endpoints[0].Receiver = shaker{c.handshakes} })
			w := httptest.NewRecorder()
			r.Handler().ServeHTTP(w, request(http.MethodPost, goodPath+c.query, c.body, header("Content-Type", c.kind)))
			if w.Code != c.code || w.Body.String() != c.reply || len(r.store.receipts()) > 0 {
				t.Errorf("%d %q, %d receipts; want %d %q", w.Code, w.Body, len(r.store.receipts()), c.code, c.reply)
			}
			if c.reply != "" && (w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("headers are %v", w.Header())
			}
		})
	}
}
