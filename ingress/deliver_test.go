package ingress

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/store"
)

func TestRoutes(t *testing.T) {
	r := newRig(nil)
	r.listen(t)
	xml := header("Content-Type", "text/xml")
	tests := []struct {
		name, method, path string
		edit               func(*http.Request)
		want               int
	}{
		{"taken", "POST", goodPath, nil, 200},
		{"previous secret", "POST", "/webhooks/crm/" + oldSecret, nil, 200},
		{"more path", "POST", goodPath + "/partner/save", nil, 200},
		{"charset", "POST", goodPath, header("Content-Type", "application/json; charset=UTF-8"), 200},
		{"kind of JSON", "POST", goodPath, header("Content-Type", "application/cloudevents+json"), 200},
		{"root", "POST", "/", nil, 404},
		{"other path", "POST", "/metrics", nil, 404},
		{"console path", "GET", "/api/v1/pairs", nil, 404},
		{"pprof", "GET", "/debug/pprof/", nil, 404},
		{"no system", "POST", "/webhooks", nil, 404},
		{"no secret", "POST", "/webhooks/crm", nil, 404},
		{"empty secret", "POST", "/webhooks/crm/", nil, 404},
		{"empty secret, more path", "POST", "/webhooks/crm//x", nil, 404},
		{"short secret", "POST", "/webhooks/crm/" + goodSecret[:31], nil, 404},
		{"long secret", "POST", "/webhooks/crm/" + goodSecret + "0", nil, 404},
		{"wrong secret", "POST", "/webhooks/crm/" + strings.Repeat("0", 32), nil, 404},
		{"capital secret", "POST", "/webhooks/crm/" + strings.ToUpper(goodSecret), nil, 404},
		{"unknown system", "POST", "/webhooks/erp/" + goodSecret, nil, 404},
		{"capital system", "POST", "/webhooks/CRM/" + goodSecret, nil, 404},
		{"doubled slash", "POST", "/" + goodPath, nil, 404},
		{"wrong secret and media", "POST", "/webhooks/crm/x", xml, 404},
		{"GET", "GET", goodPath, nil, 405},
		{"HEAD", "HEAD", goodPath, nil, 405},
		{"PUT", "PUT", goodPath, nil, 405},
		{"DELETE", "DELETE", goodPath + "/x", nil, 405},
		{"OPTIONS", "OPTIONS", goodPath, nil, 405},
		{"TRACE", "TRACE", goodPath, func(r *http.Request) { r.Body, r.ContentLength = nil, 0 }, 405},
		{"XML", "POST", goodPath, xml, 415},
		{"form", "POST", goodPath, header("Content-Type", "application/x-www-form-urlencoded"), 415},
		{"no type", "POST", goodPath, func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		{"two types", "POST", goodPath, func(r *http.Request) { r.Header.Add("Content-Type", "application/json") }, 415},
		{"other charset", "POST", goodPath, header("Content-Type", "application/json; charset=utf-16"), 415},
		{"gzip", "POST", goodPath, header("Content-Encoding", "gzip"), 415},
		{"bad signature", "POST", goodPath, header("X-Signature", "bad_signature"), 401},
		{"no signature", "POST", goodPath, func(r *http.Request) { r.Header.Del("X-Signature") }, 401},
		{"a receiver's odd error", "POST", goodPath, header("X-Signature", "odd"), 401},
	}
	taken := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := request(tt.method, r.url+tt.path, oneEvent)
			if tt.edit != nil {
				tt.edit(req)
			}
			if got := r.send(t, req); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
			if tt.want == 200 {
				taken++
			}
			if n := len(r.store.receipts()); n != taken {
				t.Errorf("%d rows, want %d", n, taken)
			}
		})
	}
}

func TestReceiptOfADelivery(t *testing.T) {
	r := newRig(nil)
	r.listen(t)
	body := `[{"object":"contacts","id":"7","version":"v2","own":true},{"object":"deals","id":"1"},{"object":"companies","id":"8","removed":true}]`
	if code := r.send(t, request("POST", r.url+goodPath, body)); code != 200 {
		t.Fatal(code)
	}
	sum := sha256.Sum256([]byte(body))
	key := hex.EncodeToString(sum[:])
	hint := store.Hint{System: "crm", Lane: store.LaneLive, Cause: "webhook", DeliveryKey: key, Trace: "t1"}
	contact, company := hint, hint
	contact.Object, contact.RecordID, contact.Version, contact.Delay, contact.Own = "contacts", "7", "v2", 2*time.Second, true
	company.Object, company.RecordID = "companies", "8"
	company.Cause = store.CauseDeletion // evidence that a read has to bear out
	want := []store.Receipt{{System: "crm", DeliveryKey: key, Events: 3, Hints: []store.Hint{contact, company}}}
	if got := r.store.receipts(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if system := <-r.woken; system != "crm" {
		t.Errorf("woke %q", system)
	}
	if code := r.send(t, request("POST", r.url+goodPath, oneEvent, header("X-Delivery", "d-1"))); code != 200 {
		t.Fatal(code)
	}
	if got := r.store.receipts()[1]; got.DeliveryKey != "d-1" || got.Hints[0].DeliveryKey != "d-1" {
		t.Errorf("the vendor's own key was not taken: %+v", got)
	}
	for labels, want := range map[[2]string]float64{{"false", "crm"}: 2, {"true", "crm"}: 1} {
		if got, _ := r.metric(t, "syncd_webhook_hints_total", labels[:]...); got != want {
			t.Errorf("hints %v: %v", labels, got)
		}
	}
	if got, _ := r.metric(t, "syncd_webhook_hints_dropped_total", "crm"); got != 1 {
		t.Errorf("dropped %v", got)
	}
	if got, _ := r.metric(t, "syncd_system_last_event_timestamp_seconds", "crm", "webhook"); got != float64(noon.Unix()) {
		t.Errorf("last event %v", got)
	}
}

func TestOwnMarkIsTakenOnlyWhereTrusted(t *testing.T) {
	r := newRig(func(o *Options) { o.Endpoints[0].TrustOwnMark = false })
	if code := r.do(request("POST", goodPath, `[{"object":"contacts","id":"7","own":true}]`)); code != 200 {
		t.Fatal(code)
	}
	if r.store.receipts()[0].Hints[0].Own {
		t.Error("own")
	}
}

func TestSignedURLIsThePublicOne(t *testing.T) {
	r := newRig(nil)
	r.listen(t)
	req := request("POST", r.url+goodPath+"/partner/save?a=1&b=%2F", oneEvent,
		header("X-Forwarded-Host", "evil.example"), header("X-Forwarded-Proto", "http"), header("X-Forwarded-Prefix", "/evil"), header("Forwarded", "host=evil.example"))
	req.Host = "evil.example"
	if code := r.send(t, req); code != 200 {
		t.Fatal(code)
	}
	d := r.receiver.last()
	if want := "https://sync.example.com/in" + goodPath + "/partner/save?a=1&b=%2F"; d.URL != want {
		t.Errorf("URL %q, want %q", d.URL, want)
	}
	if d.Path != "/partner/save" || d.Method != "POST" || string(d.Body) != oneEvent || http.Header(d.Header).Get("X-Signature") != "good" {
		t.Errorf("delivery %+v", d)
	}
	if !r.receiver.at[0].Equal(noon) {
		t.Errorf("verified at %v", r.receiver.at[0])
	}
	r.send(t, request("POST", r.url+goodPath, oneEvent))
	if d := r.receiver.last(); d.Path != "" || d.URL != "https://sync.example.com/in"+goodPath {
		t.Errorf("delivery %+v", d)
	}
}

func TestPolicyDecidesTheAnswerToJunk(t *testing.T) {
	r := newRig(nil)
	r.receiver.policy = connectors.AnswerPolicy{MaxBody: 64, RefusedCode: 200}
	r.Server = New(r.opts)
	tests := []struct {
		signature, body, result string
		code                    int
	}{
		{"bad_signature", oneEvent, "bad_signature", 200},
		{"stale", oneEvent, "stale", 200},
		{"wrong_account", oneEvent, "wrong_account", 200},
		{"made up", oneEvent, "bad_signature", 200},
		{"good", "{", "malformed", 200},
		{"good", strings.Repeat(" ", 65), "too_large", 413},
	}
	for _, tt := range tests {
		before, _ := r.metric(t, "syncd_webhook_deliveries_total", tt.result, "crm")
		if code := r.do(request("POST", goodPath, tt.body, header("X-Signature", tt.signature))); code != tt.code {
			t.Errorf("%s %s: %d, want %d", tt.signature, tt.result, code, tt.code)
		}
		if after, _ := r.metric(t, "syncd_webhook_deliveries_total", tt.result, "crm"); after != before+1 {
			t.Errorf("%s was not counted", tt.result)
		}
	}
	if n := len(r.store.receipts()); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestJSONShapeIsBounded(t *testing.T) {
	r := newRig(nil)
	deep, wide := strings.Repeat("[", 100_000), "["+strings.Repeat("1,", 20_000)+"1]"
	for _, body := range []string{deep, wide, `{"a":` + deep} {
		calls := r.receiver.calls()
		if code := r.do(request("POST", goodPath, body)); code != 401 {
			t.Errorf("%.10s: %d", body, code)
		}
		if r.receiver.calls() != calls+1 {
			t.Error("the signature was not checked first")
		}
	}
	quoted := `[{"object":"contacts","id":"` + strings.Repeat(`[,\"`, 12_000) + `"}]`
	if code := r.do(request("POST", goodPath, quoted)); code != 200 {
		t.Errorf("brackets in a text: %d", code)
	}
}

func TestMetricsExistFromTheStart(t *testing.T) {
	r := newRig(nil)
	for _, result := range results {
		if v, ok := r.metric(t, "syncd_webhook_deliveries_total", result, "crm"); !ok || v != 0 {
			t.Errorf("deliveries %s: %v %v", result, v, ok)
		}
	}
	for _, own := range []string{"true", "false"} {
		if _, ok := r.metric(t, "syncd_webhook_hints_total", own, "crm"); !ok {
			t.Errorf("hints own=%s", own)
		}
	}
	if _, ok := r.metric(t, "syncd_webhook_ack_duration_seconds", "crm"); !ok {
		t.Error("ack duration")
	}
	if _, ok := r.metric(t, "syncd_system_last_event_timestamp_seconds", "crm", "webhook"); ok {
		t.Error("a last event before there was one")
	}
	again := New(r.opts) // shares the collectors
	again.metrics.deliveries.WithLabelValues("crm", resultAccepted).Inc()
	if v, _ := r.metric(t, "syncd_webhook_deliveries_total", resultAccepted, "crm"); v != 1 {
		t.Errorf("%v", v)
	}
}

func TestUnknownObjectsAreAcknowledgedAndCounted(t *testing.T) {
	r := newRig(nil)
	if code := r.do(request("POST", goodPath, `[{"object":"deals","id":"1"}]`)); code != 200 {
		t.Fatal(code)
	}
	if v, _ := r.metric(t, "syncd_webhook_deliveries_total", resultUnknownObject, "crm"); v != 1 {
		t.Errorf("%v", v)
	}
	if got := r.store.receipts(); len(got) != 1 || len(got[0].Hints) != 0 || got[0].Events != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAFailingStoreAcknowledgesNothing(t *testing.T) {
	r := newRig(nil)
	r.store.before = func([]store.Receipt) error { return errors.New("no space left on device") }
	r.listen(t)
	if code := r.send(t, request("POST", r.url+goodPath, oneEvent)); code != 503 {
		t.Errorf("%d", code)
	}
	if len(r.woken) != 0 {
		t.Error("woken without a commit")
	}
	if v, _ := r.metric(t, "syncd_webhook_deliveries_total", resultStoreDown, "crm"); v != 1 {
		t.Errorf("%v", v)
	}
	if !strings.Contains(r.log.String(), "no space left") {
		t.Error("the cause is not in the log")
	}
}

func TestAPanicIsOneRequestsMatter(t *testing.T) {
	r := newRig(nil)
	r.listen(t)
	for _, req := range []*http.Request{
		request("POST", r.url+goodPath, oneEvent, header("X-Signature", "panic")),
		request("POST", r.url+goodPath, `[{"object":"contacts","id":"panic"}]`),
	} {
		if code := r.send(t, req); code != 500 {
			t.Errorf("%d", code)
		}
		if code := r.send(t, request("POST", r.url+goodPath, oneEvent)); code != 200 {
			t.Errorf("the next one: %d", code)
		}
	}
	if v := r.held.Load(); v != 0 {
		t.Errorf("%d bytes stay reserved", v)
	}
}

func TestAPanicOfTheStoreIsAnError(t *testing.T) {
	r := newRig(nil)
	r.store.before = func([]store.Receipt) error { panic("canary") }
	if code := r.do(request("POST", goodPath, oneEvent)); code != 503 {
		t.Errorf("%d", code)
	}
	r.store.before = nil
	if code := r.do(request("POST", goodPath, oneEvent)); code != 200 {
		t.Errorf("the next one: %d", code)
	}
}

func TestLogsHoldNoSecretsAndNoContents(t *testing.T) {
	r := newRig(nil)
	for i, s := range []string{"bad_signature", "odd", "panic", "good", "good"} {
		body := []string{oneEvent, oneEvent, oneEvent, `{"canary":`, `[{"object":"contacts","id":"panic","version":"canary"}]`}[i]
		r.do(request("POST", goodPath+"/canary?canary=1", body, header("X-Signature", s), header("X-Canary", "canary")))
	}
	r.do(request("POST", goodPath, "canary", header("Content-Type", "text/canary")))
	r.do(request("POST", "/webhooks/crm/canary", oneEvent))
	r.do(request("POST", "/webhooks/canary/"+goodSecret, oneEvent))
	log := r.log.String()
	for _, secret := range []string{"canary", goodSecret, oldSecret} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q: %s", secret, log)
		}
	}
	if !strings.Contains(log, "result=bad_signature") || !strings.Contains(log, "nil pointer") {
		t.Errorf("the log says too little: %s", log)
	}
}

func TestFloodOfSignedDeliveriesIsCut(t *testing.T) {
	now := noon
	r := newRig(func(o *Options) { o.Now = func() time.Time { return now } })
	codes := map[int]int{}
	for range endpointBurst + 10 {
		codes[r.do(request("POST", goodPath, oneEvent))]++
	}
	if codes[200] != endpointBurst || codes[503] != 10 {
		t.Errorf("%v", codes)
	}
	if code := r.do(request("POST", goodPath, oneEvent, header("X-Signature", "bad_signature"))); code != 401 {
		t.Errorf("a forged one: %d", code)
	}
	now = now.Add(time.Second)
	if code := r.do(request("POST", goodPath, oneEvent)); code != 200 {
		t.Errorf("a second later: %d", code)
	}
	if n := strings.Count(r.log.String(), "\n"); n > logBurst+logsPerSecond+1 {
		t.Errorf("%d log lines", n)
	}
}

func TestFloodOfForgedDeliveriesIsCutBeforeTheSignature(t *testing.T) {
	r := newRig(nil)
	for range allBurst {
		r.all.AllowN(noon, 1)
	}
	calls := r.receiver.calls()
	if code := r.do(request("POST", goodPath, oneEvent, header("X-Signature", "bad_signature"))); code != 503 {
		t.Errorf("%d", code)
	}
	if code := r.do(request("POST", "/webhooks/crm/x", oneEvent)); code != 404 {
		t.Errorf("a stranger: %d", code)
	}
	if r.receiver.calls() != calls {
		t.Error("a signature was checked")
	}
}

func TestBodiesInMemoryAreBounded(t *testing.T) {
	r := newRig(nil)
	r.held.Store(maxBodyBytes - 10)
	if code := r.do(request("POST", goodPath, oneEvent)); code != 503 {
		t.Errorf("%d", code)
	}
	if got := r.held.Load(); got != maxBodyBytes-10 {
		t.Errorf("%d bytes", got)
	}
}

func TestEndpointWithoutSecretsAnswersNobody(t *testing.T) {
	r := newRig(func(o *Options) { o.Endpoints[0].Secrets = []string{""} })
	for _, secret := range []string{"", goodSecret, "%00", strings.Repeat("0", 64)} {
		if code := r.do(request("POST", "/webhooks/crm/"+secret, oneEvent)); code != 404 {
			t.Errorf("%q: %d", secret, code)
		}
	}
}

func BenchmarkDeliver(b *testing.B) {
	r := newRig(func(o *Options) { o.Wake, o.Now = nil, nil })
	r.all.SetLimit(1e12)
	r.endpoints["crm"].bucket.SetLimit(1e12)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if code := r.do(request("POST", goodPath, oneEvent)); code != 200 {
				b.Error(fmt.Sprint(code))
			}
		}
	})
}
