package sandbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/config"
	"syncd/connectors"
	"syncd/connectors/rest"
	"syncd/connectors/sandbox"
	"syncd/connectors/wire"
	"syncd/simulator/shopsim"
)

// connect gives a connector to a pretend shop, by its shipped profile.
func connect(t *testing.T, o shopsim.Options, change func(*rest.Settings)) connectors.Connector {
	t.Helper()
	sim := shopsim.New(o)
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	text, _ := rest.Profile("shop")
	text = append(text, "base_url: "+srv.URL+"\n"...)
	text = []byte(strings.Replace(string(text), "name: X-Shop-Token}", "name: X-Shop-Token, token: {env: T}}", 1))
	text = []byte(strings.Replace(string(text), "  scheme: hmac\n", "  scheme: hmac\n  secrets: [{env: S}]\n", 1))
	var s rest.Settings
	env := func(name string) (string, bool) {
		return map[string]string{"T": "shop-token", "S": "shop-webhook-secret"}[name], true
	}
	if err := config.Decode("shop", text, &s, config.Options{Env: env, ReadFile: os.ReadFile}); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&s)
	}
	c, err := rest.New(rest.Config{System: "shop", Settings: s}, wire.NewClient(&http.Transport{}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func subject(c connectors.Connector) sandbox.Subject {
	return sandbox.Subject{
		Conn: c, Object: "customers", Edit: "phone", Run: "1",
		Make: func(n int) map[string]string {
			return map[string]string{"name": "Jane", "phone": "+420 1", "email": "p" + strconv.Itoa(n) + "@example.com"}
		},
		Custom: []connectors.CustomField{{Object: "customers", Name: "syncd_ref", Unique: true}},
		Now:    time.Now, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

// verdicts gives the laws that are not kept, with the verdict.
func verdicts(r sandbox.Report) (broken, skipped string) {
	for _, f := range r.Findings {
		switch f.Verdict {
		case sandbox.Broken:
			broken += f.Law + ": " + f.Detail + "\n"
		case sandbox.Skipped:
			skipped += f.Law + ": " + f.Detail + "\n"
		}
	}
	return broken, skipped
}

func TestAHonestSystemKeepsEveryLawAndIsLeftAsItWas(t *testing.T) {
	sim := shopsim.Options{}
	r := sandbox.Run(t.Context(), subject(connect(t, sim, nil)))
	if broken, _ := verdicts(r); broken != "" || len(r.Left) > 0 || r.Broken() {
		t.Errorf("broken: %s, left: %v", broken, r.Left)
	}
}

// TestAClaimThatDoesNotHoldIsFound: what settings promise and the system does not keep.
func TestAClaimThatDoesNotHoldIsFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      shopsim.Options
		change func(*rest.Object, *rest.Settings)
		want   string
	}{
		{"a key that is not kept", shopsim.Options{IgnoreKeys: true}, nil, "a second create with the token makes no second record: a second record was made"},
		{"unique, and it is not", shopsim.Options{}, func(o *rest.Object, _ *rest.Settings) {
			o.Create.Class, o.Create.Idempotency = "unique", rest.Idempotency{}
		}, "two creates at once with one token make one record: 4 records were made"},
		{"a look-up that looks nowhere", shopsim.Options{}, func(o *rest.Object, _ *rest.Settings) {
			o.Find.Query = map[string]string{"filter[{field}]": "x{value}"}
		}, "the token finds the record: nothing is found"},
		{"an update that does nothing", shopsim.Options{}, func(o *rest.Object, _ *rest.Settings) {
			o.Fields["phone"] = rest.Field{Path: "company", Type: "text"}
			o.Update.Wrap = ""
		}, "an update changes what it names and nothing else: "},
		{"a dead credential", shopsim.Options{Token: "another"}, nil, "the credential is taken and the object is there: "},
		{"a delete that archives", shopsim.Options{}, func(o *rest.Object, _ *rest.Settings) {
			o.Delete = rest.Act{Method: "POST", Path: "/customers/{id}/archive"}
		}, "what is deleted is not seen any more: after delete the record is archived, not missing"},
		{"a listing of another place", shopsim.Options{}, func(o *rest.Object, _ *rest.Settings) { o.List.Path = "/orders" }, "a listing of changes shows the record: it is not there"},
		{"a token field that is not there", shopsim.Options{}, func(o *rest.Object, s *rest.Settings) {
			delete(o.Fields, "syncd_ref")
			o.Find.Fields, o.Create.Class, o.Create.Idempotency = []string{"email"}, "blind", rest.Idempotency{}
		}, "the token field is there: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject(connect(t, c.o, func(set *rest.Settings) {
				if c.change != nil {
					o := set.Objects["customers"]
					c.change(&o, set)
					set.Objects["customers"] = o
				}
			}))
			now := time.Now()
			s.Now = func() time.Time { now = now.Add(time.Second); return now } // patience is over soon
			r := sandbox.Run(t.Context(), s)
			if broken, _ := verdicts(r); !strings.Contains(broken, c.want) || !r.Broken() {
				t.Errorf("broken:\n%s\nwant %q", broken, c.want)
			}
		})
	}
}
