package daemon_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheFirstSetUpFlows: what the README has a newcomer copy names no field that the
// vendors do not have by themselves.
func TestTheFirstSetUpFlows(t *testing.T) {
	w := newTown(t)
	text, err := os.ReadFile("../examples/hubspot-odoo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"HUBSPOT_TOKEN": "pat-sim", "HUBSPOT_CLIENT_SECRET": townSecret, "HUBSPOT_WEBHOOK_SECRET": townSecret,
		"ODOO_API_KEY": "sim-key", "ODOO_WEBHOOK_SECRET": townSecret,
	} {
		t.Setenv(name, value)
	}
	of := func(key string) string {
		t.Helper()
		found := regexp.MustCompile(key + `: "([^"]+)"`).FindStringSubmatch(w.config)
		if found == nil {
			t.Fatalf("the test's own configuration has no %s", key)
		}
		return found[1]
	}
	hooks := of("public_url")
	w.config = strings.NewReplacer(
		"https://sync.example.com", hooks, "127.0.0.1:8320", strings.TrimPrefix(hooks, "http://"), "127.0.0.1:9320", "127.0.0.1:0",
		"{file: install_key}", "{file: secret}", "sqlite: syncd.db", "sqlite: "+w.dir+"/first.db", "state_dir: .", "state_dir: "+w.dir, "https://erp.example.com", of("odoo, url"), "database: prod", "database: acme",
		"kind: hubspot\n", "kind: hubspot\n    base_url: "+of("base_url")+"\n", "syncd@example.com", "syncd", "12345678", "62515", // the pretend account
	).Replace(string(text))
	w.start()()
}
