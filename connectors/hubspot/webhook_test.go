package hubspot

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/simulator"
	"syncd/simulator/hubspotsim"
)

// head is the start of an event of the configured account.
const head = `"portalId":62515,"occurredAt":1763640000123,`

// hint gives a hint at the time of head.
func hint(object, id, what, version string, own bool) connectors.Hint {
	return connectors.Hint{Object: object, RecordID: id, What: what, Version: version, Own: own,
		At: time.UnixMilli(1763640000123).UTC()}
}

const headVersion = "0001763640000123"

// ended is a hint that contact 7 is no more.
func ended(what string) connectors.Hint {
	h := hint("contacts", "7", what, "", false)
	h.Removed = true
	return h
}

// TestParse is the events of section 10.
func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		event string
		want  []connectors.Hint
	}{
		"change by a person": {`"subscriptionType":"contact.propertyChange","objectId":541935488729,"propertyValue":"x","changeSource":"CRM_UI"`,
			[]connectors.Hint{hint("contacts", "541935488729", "propertyChange", headVersion, false)}},
		"change by us": {`"subscriptionType":"contact.propertyChange","objectId":1,"changeSource":"INTEGRATION","sourceId":"54321"`,
			[]connectors.Hint{hint("contacts", "1", "propertyChange", headVersion, true)}},
		"change by another app": {`"subscriptionType":"contact.creation","objectId":1,"changeSource":"INTEGRATION","sourceId":"99"`,
			[]connectors.Hint{hint("contacts", "1", "creation", headVersion, false)}},
		"eventType and number as text": {`"eventType":"company.restore","objectId":"7"`,
			[]connectors.Hint{hint("companies", "7", "restore", headVersion, false)}},
		"generic": {`"subscriptionType":"object.creation","objectTypeId":"0-2","objectId":7`,
			[]connectors.Hint{hint("companies", "7", "creation", headVersion, false)}},
		"custom object": {`"subscriptionType":"object.creation","objectTypeId":"2-77","objectId":7`,
			[]connectors.Hint{hint("2-77", "7", "creation", headVersion, false)}},
		"deletion": {`"subscriptionType":"contact.deletion","objectId":7`,
			[]connectors.Hint{ended("deletion")}},
		"privacy": {`"subscriptionType":"contact.privacyDeletion","objectId":7`,
			[]connectors.Hint{erased(ended("privacyDeletion"))}},
		"privacy by our own app": {`"subscriptionType":"contact.privacyDeletion","objectId":7,"changeSource":"INTEGRATION","sourceId":"54321"`,
			[]connectors.Hint{erased(ended("privacyDeletion"))}},
		"merge to a new id": {`"subscriptionType":"contact.merge","objectId":601,"primaryObjectId":501,"mergedObjectIds":[502,503],"newObjectId":601`,
			[]connectors.Hint{hint("contacts", "601", "merge", headVersion, false), hint("contacts", "501", "merge", "", false),
				hint("contacts", "502", "merge", "", false), hint("contacts", "503", "merge", "", false)}},
		"merge that keeps the id": {`"subscriptionType":"contact.merge","objectId":501,"primaryObjectId":501,"mergedObjectIds":[502]`,
			[]connectors.Hint{hint("contacts", "501", "merge", headVersion, false), hint("contacts", "502", "merge", "", false)}},
		"association": {`"subscriptionType":"contact.associationChange","associationType":"CONTACT_TO_COMPANY","fromObjectId":501,"toObjectId":9001`,
			[]connectors.Hint{hint("contacts", "501", "associationChange", "", false)}},
		"association from the other end": {`"subscriptionType":"company.associationChange","associationType":"COMPANY_TO_CONTACT","fromObjectId":9001,"toObjectId":501`,
			[]connectors.Hint{hint("contacts", "501", "associationChange", "", false)}},
		"association by type ids": {`"subscriptionType":"object.associationChange","fromObjectTypeId":"0-1","toObjectTypeId":"0-3","fromObjectId":501,"toObjectId":9`,
			[]connectors.Hint{hint("contacts", "501", "associationChange", "", false)}},
		"kind that we do not know":  {`"subscriptionType":"contact.sneeze","objectId":7`, []connectors.Hint{hint("contacts", "7", "other", headVersion, false)}},
		"object that is not ours":   {`"subscriptionType":"deal.creation","objectId":7`, nil},
		"conversation":              {`"subscriptionType":"conversation.newMessage","objectId":7`, nil},
		"test button":               {`"subscriptionType":"contact.creation","eventId":100,"objectId":123,"changeFlag":"NEW"`, nil},
		"id that climbs":            {`"subscriptionType":"contact.creation","objectId":"../7"`, nil},
		"id with a query":           {`"subscriptionType":"contact.creation","objectId":"7?x=1"`, nil},
		"id in scientific form":     {`"subscriptionType":"contact.creation","objectId":1e3`, nil},
		"id of other digits":        {`"subscriptionType":"contact.creation","objectId":"١٢"`, nil},
		"id of 21 digits":           {`"subscriptionType":"contact.creation","objectId":"123456789012345678901"`, nil},
		"unknown members, twice":    {`"x":{"y":[1]},"x":2,"subscriptionType":"deal.creation","objectId":7`, nil},
		"names that differ in case": {`"subscriptionType":"contact.creation","objectid":8,"objectId":7`, []connectors.Hint{hint("contacts", "7", "creation", headVersion, false)}},
	} {
		got, err := receiver(t, nil).Parse(connectors.Delivery{Body: []byte("[{" + head + test.event + "}]")})
		if err != nil || got.Key != "" || !reflect.DeepEqual(got.Hints, test.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, test.want)
		}
	}
}

// TestNothingIsOursWithoutAnAppID: an event without a source is not taken for
// our own where the app is not known.
func TestNothingIsOursWithoutAnAppID(t *testing.T) {
	r := receiver(t, func(c *Config) { c.AppID = "" })
	got, err := r.Parse(connectors.Delivery{Body: []byte(
		"[{" + head + `"subscriptionType":"contact.creation","objectId":1,"changeSource":"INTEGRATION"}]`)})
	if err != nil || len(got.Hints) != 1 || got.Hints[0].Own {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestParseRefuses walks the bodies that are no delivery.
func TestParseRefuses(t *testing.T) {
	ok := `{"portalId":62515,"subscriptionType":"contact.creation","objectId":7}`
	for name, test := range map[string]struct{ body, want string }{
		"empty":            {"", connectors.RefusedMalformed},
		"object":           {ok, connectors.RefusedMalformed},
		"array of numbers": {"[1]", connectors.RefusedMalformed},
		"cut":              {"[" + ok, connectors.RefusedMalformed},
		"trailing":         {"[" + ok + "]x", connectors.RefusedMalformed},
		"two arrays":       {"[" + ok + "][]", connectors.RefusedMalformed},
		"member twice":     {`[{"portalId":62515,"objectId":7,"objectId":8}]`, connectors.RefusedMalformed},
		"id is an object":  {`[{"portalId":62515,"objectId":{}}]`, connectors.RefusedMalformed},
		"too deep":         {`[{"x":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}]`, connectors.RefusedMalformed},
		"too many":         {"[" + strings.Repeat("{},", maxElements) + "{}]", connectors.RefusedMalformed},
		"too many inside":  {`[{"x":[` + strings.Repeat("1,", maxElements) + `1]}]`, connectors.RefusedMalformed},
		"another account":  {`[{"portalId":62516,"subscriptionType":"contact.creation","objectId":7}]`, connectors.RefusedAccount},
		"no account":       {`[{"subscriptionType":"contact.creation","objectId":7}]`, connectors.RefusedAccount},
		"nothing":          {"[]", ""},
		"good":             {"[" + ok + "]", ""},
	} {
		_, err := receiver(t, nil).Parse(connectors.Delivery{Body: []byte(test.body)})
		if got := reason(t, err); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestDeliveriesOfTheSimulator: what the pretend vendor sends is verified and
// tells a person's change from ours.
func TestDeliveriesOfTheSimulator(t *testing.T) {
	const hook = "https://syncd.example.com/webhooks/crm/abc"
	posts := make(chan simulator.Post, 100)
	sim, srv := simulated(t, hubspotsim.Options{WebhookURL: hook, ClientSecret: "s", Deliver: func(p simulator.Post) { posts <- p }})
	c := client(t, srv.URL, simToken, nil)
	ids := map[bool]string{}
	var err error
	if ids[false], err = sim.UserCreate("contacts", map[string]string{"email": "a@example.com"}); err != nil {
		t.Fatal(err)
	}
	r := c.Write(t.Context(), "companies", connectors.Create, []connectors.Write{{Key: "k", Values: map[string]string{"name": "n"}}})
	ids[true] = r[0].RecordID
	got := map[string]bool{}
	rec := receiver(t, nil)
	for len(got) < 2 {
		select {
		case p := <-posts:
			d := connectors.Delivery{Method: "POST", URL: hook, Header: p.Header, Body: p.Body}
			if err := rec.Verify(d, time.Now()); err != nil {
				t.Fatal(err)
			}
			events, err := rec.Parse(d)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range events.Hints {
				got[h.RecordID] = h.Own
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("heard of %v only", got)
		}
	}
	if want := map[string]bool{ids[false]: false, ids[true]: true}; !reflect.DeepEqual(got, want) {
		t.Errorf("own: %v, want %v", got, want)
	}
}

// FuzzParse: whatever the body, ids are ids and objects are configured ones.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{` + head + `"subscriptionType":"contact.merge","objectId":601,"primaryObjectId":501,"mergedObjectIds":[502]}]`))
	f.Add([]byte(`[{` + head + `"subscriptionType":"contact.associationChange","associationType":"A_TO_B","fromObjectId":5,"toObjectId":6}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := receiver(t, func(c *Config) { c.PortalID = "" })
		events, err := r.Parse(connectors.Delivery{Body: body})
		if reason(t, err) != "" && len(events.Hints) > 0 {
			t.Fatal("hints of a refused body")
		}
		for _, h := range events.Hints {
			if !idPattern.MatchString(h.RecordID) || r.objects[h.Object] != h.Object || (h.Version != "" && len(h.Version) != 16) {
				t.Fatal(fmt.Sprintf("hint %+v", h))
			}
		}
	})
}

func erased(h connectors.Hint) connectors.Hint {
	h.Erased = true
	return h
}
