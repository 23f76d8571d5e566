package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncd/simulator/shopsim"
)

const trialConfig = `
install_key: {file: install_key}
store: {sqlite: "DIR/syncd.db"}
systems:
  shop:
    kind: rest
    profile: shop
    base_url: URL
    auth: {token: {file: token}}
    webhook: {secrets: [{file: token}]}
  erp: {kind: rest, profile: plain, base_url: "http://127.0.0.1:1", auth: {token: {file: token}}, webhook: {secrets: [{file: token}]}}
links:
  - name: customers
    members: [{system: shop, object: customers}, {system: erp, object: customers}]
    fields:
      - {shop: name, erp: name}
      - {shop: email, erp: email, as: email}
      - {shop: company, erp: city}
`

// tried runs `syncd connector test` and gives what it says, and its exit code.
func tried(t *testing.T, o shopsim.Options, args ...string) (out string, code int, sim *shopsim.Sim, dir string) {
	t.Helper()
	o.Token = "a-token-of-the-tests"
	sim = shopsim.New(o)
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	dir = t.TempDir()
	for name, text := range map[string]string{
		"install_key": "an-install-key-of-32-letters-000", "token": "a-token-of-the-tests",
		"syncd.yaml": strings.NewReplacer("DIR", dir, "URL", srv.URL).Replace(trialConfig),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := newRoot()
	var b bytes.Buffer
	cmd.SetOut(&b)
	cmd.SetErr(&b)
	cmd.SetArgs(append([]string{"connector", "test", "-c", filepath.Join(dir, "syncd.yaml")}, args...))
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		b.WriteString(err.Error())
		code = exitCode(err)
	}
	return b.String(), code, sim, dir
}

func TestConnectorTestTellsWhatASystemKeepsAndLeavesNothing(t *testing.T) {
	out, code, sim, dir := tried(t, shopsim.Options{}, "shop", "--sandbox")
	if code != 0 || !strings.Contains(out, "customers  kept     a create makes a record and names it") || strings.Contains(out, "broken") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if n := len(sim.All("customers")); n > 0 {
		t.Errorf("%d scratch records are left", n)
	}
	if _, err := os.Stat(filepath.Join(dir, "syncd.db")); err == nil {
		t.Error("a store was opened")
	}
}

func TestConnectorTestFailsWhereALawIsBroken(t *testing.T) {
	out, code, sim, _ := tried(t, shopsim.Options{IgnoreKeys: true}, "shop", "--sandbox", "-o", "json")
	if code != exitFailed || !strings.Contains(out, `"broken"`) || !strings.Contains(out, "the key is not honoured") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if n := len(sim.All("customers")); n > 0 {
		t.Errorf("%d scratch records are left", n)
	}
}

func TestConnectorTestWritesNothingUnlessToldThatItIsASandbox(t *testing.T) {
	for _, args := range [][]string{
		{"shop"}, {"--sandbox"}, {"shp", "--sandbox"}, {"shop", "--sandbox", "--object", "orders"}, {"shop", "--sandbox", "--value", "x"},
	} {
		out, code, sim, _ := tried(t, shopsim.Options{}, args...)
		if code != exitUsage || len(sim.Truth().Calls()) > 0 {
			t.Errorf("%v: exit %d after %d calls: %s", args, code, len(sim.Truth().Calls()), out)
		}
	}
	out, code, _, _ := tried(t, shopsim.Options{}, "erp", "--sandbox")
	if code != exitFailed || !strings.Contains(out, "broken   the credential is taken") || !strings.Contains(out, "skipped") {
		t.Errorf("a system that is not there: exit %d:\n%s", code, out)
	}
}
