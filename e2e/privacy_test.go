package e2e_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"syncd/simulator"
)

// TestNoSecretAndNoPersonalDataIsSaid: at the most talkative level, through
// ordinary work and every kind of trouble, neither log nor metrics nor status
// hold a secret or a value of a record.
func TestNoSecretAndNoPersonalDataIsSaid(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Log: "debug", Seed: 111})
		d := w.start()
		someone := person{"Canaryfirst", "Canarylast", "canary.mail@canary.example", "+420601909090", "Canaryjob", "Canarycity"}
		contact := w.pairs([]person{someone})[0]
		w.crmEdit(contact, map[string]string{"jobtitle": "Canaryedit"})
		w.told("the edit crosses", func() bool { return w.partner(w.partnerOf(contact), "function") == "Canaryedit" })
		w.quiet()
		refused := person{"Canaryrefused", "Canaryalone", "canary no address", "601808080", "Canaryjob", "Canarycity"}
		w.erpCreate(refused)
		w.told("one is parked", func() bool { return w.metric("syncd_queue_changes", "state", "parked") == 1 })
		for _, effect := range []simulator.Effect{simulator.Garbage, simulator.DropAfter} {
			w.erp.Faults().Add(simulator.Fault{Object: partner, Effect: effect, Times: 1})
			w.crm.Faults().Add(simulator.Fault{Object: contacts, Effect: effect, Times: 1})
		}
		w.crmEdit(contact, map[string]string{"jobtitle": "Canarysecond"})
		for _, bad := range w.badDeliveries(nil) {
			bad.post.Send(context.Background(), opsClient)
		}
		post := simulator.Post{URL: w.erpHook + "/partner/save", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"_model":"res.partner","name":"Canarybody`)}
		post.Send(context.Background(), opsClient)
		w.told("the second edit crosses", func() bool { return w.partner(w.partnerOf(contact), "function") == "Canarysecond" })
		w.quiet()
		said := map[string]string{"/metrics": "", "/status": ""}
		for path := range said {
			text, err := get("http://" + w.ops + path)
			if err != nil {
				t.Fatal(err)
			}
			said[path] = text
		}
		w.stop()
		said["the log"] = w.log.all()
		for where, text := range said {
			for _, line := range linesWith(text, secretWords()) {
				t.Errorf("%s says a secret: %s", where, line)
			}
			for _, line := range linesWith(text, personalWords) {
				// The vendor's words about a parked record are what a person
				// needs to see (daemon/status.go); they stay on loopback.
				if where != "/status" || !strings.Contains(line, `"why": `) {
					t.Errorf("%s says: %s", where, line)
				}
			}
		}
		if w.log.line("sync.attempted") == "" || len(said["/metrics"]) == 0 || d == nil {
			t.Error("nothing was said at all")
		}
	})
}

// personalWords occur in the records of the test and nowhere else.
var personalWords = []string{"canary", "601909090", "601 909 090", "601808080"}

func secretWords() []string {
	words := []string{"pat-", "bearer ", "canary-"}
	for _, value := range secrets() {
		words = append(words, value)
	}
	return words
}

// linesWith gives the lines that hold one of the words, in any case.
func linesWith(text string, words []string) []string {
	var out []string
	for line := range strings.Lines(text) {
		for _, word := range words {
			if strings.Contains(strings.ToLower(line), strings.ToLower(word)) {
				out = append(out, line)
				break
			}
		}
	}
	return out
}
