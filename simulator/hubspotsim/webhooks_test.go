package hubspotsim_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/hubspotsim"
)

// inbox is a webhook receiver that checks every signature.
type inbox struct {
	*testing.T
	mu     sync.Mutex
	url    string
	events []obj
	posts  []int // sizes
	refuse int   // how many posts to answer with 500 first
}

func newInbox(t *testing.T) *inbox {
	in := &inbox{T: t}
	server := httptest.NewServer(http.HandlerFunc(in.serve))
	t.Cleanup(server.Close)
	in.url = server.URL + "/webhooks/hubspot?x=1"
	return in
}

func (in *inbox) serve(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	in.check(simulator.Post{URL: in.url, Header: r.Header, Body: body})
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.refuse > 0 {
		in.refuse--
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	events := parse(in.T, body)
	in.events = append(in.events, events...)
	in.posts = append(in.posts, len(events))
}

func (in *inbox) check(p simulator.Post) {
	mac := hmac.New(sha256.New, []byte("sim-client-secret"))
	fmt.Fprintf(mac, "POST%s%s%s", p.URL, p.Body, p.Header.Get("X-HubSpot-Request-Timestamp"))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if p.Header.Get("X-HubSpot-Signature-v3") != want || p.Header.Get("X-HubSpot-Signature-Version") != "v1" {
		in.Errorf("bad signature on %s", p.Body)
	}
}

func parse(t *testing.T, body []byte) []obj {
	t.Helper()
	var events []obj
	if err := json.Unmarshal(body, &events); err != nil {
		t.Error(err)
	}
	return events
}

func kindsOf(events []obj) []string {
	var list []string
	for _, e := range events {
		line := fmt.Sprint(e["subscriptionType"])
		if e["propertyName"] != nil {
			line += fmt.Sprintf(" %v=%v", e["propertyName"], e["propertyValue"])
		}
		list = append(list, line)
	}
	return list
}

// logged gives the events of the log as objects.
func (w *world) logged() []obj {
	w.Helper()
	raw, _ := w.EventsSince(0)
	var list []obj
	for _, r := range raw {
		var e obj
		if err := json.Unmarshal(r, &e); err != nil {
			w.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func TestEventsSayWhatHappenedAndWhoDidIt(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "a@x.cz", "phone", "1"))
	w.must(200, http.MethodPatch, contacts+"/"+id, obj{"properties": obj{"phone": ""}})
	if err := w.UserArchive("contacts", id); err != nil {
		t.Fatal(err)
	}
	w.user("line_items", props("name", "Pen"))
	events := w.logged()
	w.equal("events", kindsOf(events), []string{
		"contact.creation", "contact.propertyChange email=a@x.cz", "contact.propertyChange phone=1",
		"contact.propertyChange phone=", "contact.deletion", "line_item.creation", "line_item.propertyChange name=Pen",
	})
	w.equal("creation flag", events[0]["changeFlag"], "CREATED")
	w.equal("deletion flag", events[4]["changeFlag"], "DELETED")
	w.equal("a person", fmt.Sprint(events[0]["changeSource"], events[0]["sourceId"]), "CRM_UIuserId:9586504")
	w.equal("an app", fmt.Sprint(events[3]["changeSource"], events[3]["sourceId"]), "INTEGRATION54321")
	w.equal("object", fmt.Sprintf("%.0f", events[0]["objectId"]), id)
	w.equal("when", fmt.Sprintf("%.0f", events[0]["occurredAt"]), "1763640001000")
	w.equal("portal", fmt.Sprint(events[0]["portalId"], events[0]["appId"], events[0]["attemptNumber"]), "62515 54321 0")
}

func TestMergeRaisesMergeAndDeletionOnly(t *testing.T) {
	w := start(t, hubspotsim.Options{NewIDOnMerge: true})
	a, b := w.user("contacts", props("email", "a@x.cz")), w.user("contacts", props("phone", "2"))
	_, n := w.EventsSince(0)
	id, err := w.UserMerge("contacts", a, b)
	if err != nil {
		t.Fatal(err)
	}
	events := w.logged()[n:]
	w.equal("events", kindsOf(events), "[contact.merge contact.deletion contact.deletion]")
	m := events[0]
	w.equal("facts", fmt.Sprintf("%.0f %.0f %.0f", m["primaryObjectId"], m["mergedObjectIds"], m["newObjectId"]), a+" ["+b+"] "+id)
	w.equal("moved", m["numberOfPropertiesMoved"], 1)
	w.equal("deleted", fmt.Sprintf("%.0f %.0f", events[1]["objectId"], events[2]["objectId"]), b+" "+a)
}

func TestOnlySubscribedPropertiesAreToldOf(t *testing.T) {
	w := start(t, hubspotsim.Options{Subscriptions: []string{"email"}})
	w.user("contacts", props("email", "a@x.cz", "phone", "1"))
	w.equal("events", kindsOf(w.logged()), "[contact.creation contact.propertyChange email=a@x.cz]")
}

func TestEventIDsAreNotUnique(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	for i := range 500 {
		w.user("contacts", props("email", fmt.Sprintf("u%d@x.cz", i)))
	}
	seen, twice := map[any]bool{}, 0
	for _, e := range w.logged() {
		if seen[e["eventId"]] {
			twice++
		}
		seen[e["eventId"]] = true
	}
	if twice == 0 || twice > 100 {
		t.Errorf("%d of 1000 event ids are not the first of their kind", twice)
	}
}

func TestWebhooksArriveSignedAndInPostsOfAtMost100(t *testing.T) {
	in := newInbox(t)
	w := start(t, hubspotsim.Options{WebhookURL: in.url})
	var list []obj
	for i := range 100 {
		list = append(list, traced(strconv.Itoa(i), "email", fmt.Sprintf("u%d@x.cz", i), "city", "Brno"))
	}
	w.must(201, http.MethodPost, contacts+"/batch/create", inputs(list...))
	if !w.Outbox().Wait(10 * time.Second) {
		t.Fatal("deliveries are still under way")
	}
	w.equal("posts", in.posts, "[100 100 100]")
	w.equal("logged", len(w.logged()), 300)
}

func TestRefusedWebhookIsSentAgain(t *testing.T) {
	in := newInbox(t)
	in.refuse = 3
	w := start(t, hubspotsim.Options{WebhookURL: in.url, RetryGap: time.Millisecond})
	w.user("companies", props("name", "Acme"))
	if !w.Outbox().Wait(10 * time.Second) {
		t.Fatal("the delivery is still under way")
	}
	w.equal("events", kindsOf(in.events), "[company.creation company.propertyChange name=Acme]")
	w.equal("attempt", in.events[0]["attemptNumber"], 3)
}

func TestWebhookIsGivenUpAfterTenRetries(t *testing.T) {
	in := newInbox(t)
	in.refuse = 11
	w := start(t, hubspotsim.Options{WebhookURL: in.url, RetryGap: time.Microsecond})
	w.user("companies", props("name", "Acme"))
	if !w.Outbox().Wait(10 * time.Second) {
		t.Fatal("the delivery is still under way")
	}
	w.equal("events", len(in.events), 0)
	w.equal("attempts left", in.refuse, 0)
}

func TestDeliverGetsThePostsInsteadOfTheNetwork(t *testing.T) {
	var posts []simulator.Post
	w := start(t, hubspotsim.Options{
		WebhookURL: "https://syncd.example.com/webhooks/hubspot",
		Deliver:    func(p simulator.Post) { posts = append(posts, p) },
	})
	w.user("companies", props("name", "Acme"))
	w.equal("posts", len(posts), 1)
	w.equal("url", posts[0].URL, "https://syncd.example.com/webhooks/hubspot")
	(&inbox{T: t}).check(posts[0])
	w.equal("events", len(parse(t, posts[0].Body)), 2)
	w.SetWebhookURL("")
	w.user("companies", props("name", "Beta"))
	w.equal("no webhooks without a URL", len(posts), 1)
}

func TestRedeliverSendsEveryEventEverRaised(t *testing.T) {
	in := newInbox(t)
	w := start(t, hubspotsim.Options{})
	for i := range 150 {
		w.user("contacts", props("email", fmt.Sprintf("u%d@x.cz", i)))
	}
	w.SetWebhookURL(in.url)
	if err := w.Redeliver(context.Background(), true, 3); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range in.events {
		count[fmt.Sprint(e["subscriptionType"], e["objectId"])]++
	}
	w.equal("different events", len(count), 300)
	for e, n := range count {
		if n != 3 {
			t.Errorf("%s came %d times", e, n)
		}
	}
	for _, n := range in.posts {
		if n < 1 || n > 100 {
			t.Errorf("a post of %d events", n)
		}
	}
	in.refuse = 1
	if err := w.Redeliver(context.Background(), false, 1); err == nil {
		t.Error("a refused post is no error")
	}
}

func TestManyAtOnceIsSafe(t *testing.T) {
	in := newInbox(t)
	w := start(t, hubspotsim.Options{WebhookURL: in.url, NewIDOnMerge: true})
	w.unique("syncd_ref")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 20 {
				ref := fmt.Sprintf("r%d", i)
				w.call(http.MethodPost, contacts+"/batch/create", inputs(traced("w", "syncd_ref", ref)))
				w.call(http.MethodPost, contacts+"/search", filters(where("syncd_ref", "EQ", ref)))
				id, err := w.UserCreate("contacts", props("email", fmt.Sprintf("u%d-%d@x.cz", g, i)))
				if err != nil {
					t.Error(err)
				}
				_ = w.UserEdit("contacts", id, props("city", "Brno"))
				w.EventsSince(0)
			}
		})
	}
	wg.Wait()
	if !w.Outbox().Wait(30 * time.Second) {
		t.Fatal("deliveries are still under way")
	}
	w.equal("one record for each token, one for each person", len(w.All("contacts")), 20+160)
}
