package hubspotsim

import (
	"testing"
	"time"
)

// Vectors of vendors/hubspot.md 11: A and B are made up, E is printed in the
// vendor's documentation.
const (
	vectorKey  = "5c1a8f3e-9d27-4b60-a1f4-0e7b2c9d8a11"
	vectorURI  = "https://syncd.example.com/hooks/hubspot/acme"
	vectorTime = 1763640001000
	vectorA    = `[{"eventId":4101286121,"subscriptionId":7562680,"portalId":62515,"appId":54321,"occurredAt":1763640000123,"subscriptionType":"contact.propertyChange","attemptNumber":0,"objectId":541935488729,"propertyName":"email","propertyValue":"ana@example.com","changeSource":"CRM_UI","sourceId":"userId:9586504"}]`
	vectorB    = `[{"eventId":7,"portalId":62515,"objectId":1,"subscriptionType":"contact.propertyChange","propertyName":"lastname","propertyValue":"Müller-Łąkś 株"}]`
	vectorE    = `[{"eventId":531833541,"subscriptionId":3923621,"portalId":48807704,"appId":16111050,"occurredAt":1752613920733,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":138017612137,"changeFlag":"CREATED","changeSource":"CRM_UI","sourceId":"userId:76023669"}]`
)

func TestSignaturesAgreeWithTheVectors(t *testing.T) {
	for _, c := range []struct{ name, key, uri, body, v3, v1 string }{
		{"A", vectorKey, vectorURI, vectorA, "vrMkpN544rvgJzBMshln+rq6pJKBv6bEs25EPOQ+Wns=", "b503e0df7aac82e65418f44154ce08fc20b0bd1fd795943a32d44692a9f44d0c"},
		{"B", vectorKey, vectorURI, vectorB, "4xRyYn0rYN5BowJWZHPG8/EdRRHJuzEWT8vZAeMcvdE=", ""},
	} {
		h := signed(c.key, c.uri, []byte(c.body), time.UnixMilli(vectorTime))
		if got := h.Get(headerV3); got != c.v3 {
			t.Errorf("%s v3: %s", c.name, got)
		}
		if got := h.Get(headerV1); c.v1 != "" && got != c.v1 {
			t.Errorf("%s v1: %s", c.name, got)
		}
		if got := h.Get(headerTimestamp); got != "1763640001000" {
			t.Errorf("%s timestamp: %s", c.name, got)
		}
	}
	got := signV3("cfc68c0b-4b4e-4ef8-b764-95350e4ea479", "POST",
		"https://webhook.site/335453f5-94b3-49d9-b684-a55354d4b8df", []byte(vectorE), "1752613922216")
	if got != "gbj1XPRvUt0noT7i7fXfTzOD4sLzQmf0VT28ZYq0EYg=" {
		t.Errorf("E v3: %s", got)
	}
}
