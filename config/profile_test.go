package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestTheSystemsKeysLieOverItsProfile: mappings are merged key by key, at any depth.
func TestTheSystemsKeysLieOverItsProfile(t *testing.T) {
	const system = "  c: {kind: rest, profile: shop, base_url: x, auth: {token: {env: KEY}}, objects: {customers: {fields: {Name: N, Zip: z}}, orders: {id: no}}}\n"
	c := load(t, strings.Replace(minimal, "links:", system+"links:", 1), testOptions())
	got, ok := c.Systems[2].Settings.(*restSettings)
	if !ok {
		t.Fatalf("got %+v", c.Systems)
	}
	want := map[string]restObject{
		"customers": {ID: "ID", Fields: map[string]string{"Name": "N", "mail": "m", "Zip": "z"}},
		"orders":    {ID: "no"},
	}
	if !reflect.DeepEqual(got.Objects, want) || got.Auth.Type != "header" || got.Auth.Token.Reveal() != canary || got.From.Name != "shop" {
		t.Errorf("got %+v", got)
	}
}

// TestOneSystemsKeysStayItsOwn: a profile is read anew for every system.
func TestOneSystemsKeysStayItsOwn(t *testing.T) {
	const systems = "  c: {kind: rest, profile: shop, objects: {customers: {fields: {Name: changed}}}}\n  d: {kind: rest, profile: shop}\n"
	c := load(t, strings.Replace(minimal, "links:", systems+"links:", 1), testOptions())
	if f := c.Systems[3].Settings.(*restSettings).Objects["customers"].Fields["Name"]; f != "n" {
		t.Errorf("the other system's key is %q", f)
	}
}

// TestDecodeTellsEveryFaultOfATextAtItsLine for what is no configuration.
func TestDecodeTellsEveryFaultOfATextAtItsLine(t *testing.T) {
	var s restSettings
	err := Decode("shop.yaml", []byte("base_url: x\nobject: {}\nauth: {type: [a]}\n"), &s, testOptions())
	for _, want := range []string{"shop.yaml:2:1  unknown key \"object\"", "shop.yaml:3:14  auth.type: a text is expected", "2 errors"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
