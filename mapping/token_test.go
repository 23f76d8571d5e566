package mapping_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/mapping"
)

const installKey = "an install key of the tests"

func keyring(t interface{ Fatal(...any) }, key string) *mapping.Keyring {
	k, err := mapping.NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func drawOrigin(t *rapid.T) mapping.Origin {
	text := rapid.StringN(0, 20, -1)
	return mapping.Origin{
		Link: text.Draw(t, "link"), System: text.Draw(t, "system"), Tenant: text.Draw(t, "tenant"),
		Object: text.Draw(t, "object"), ID: text.Draw(t, "id"),
		Born: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "born")),
	}
}

func TestSameRecordMakesTheSameTokenAfterAmnesia(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawOrigin(t)
		before, after := keyring(t, installKey), keyring(t, installKey)
		if a, b := before.IdentityID(o), after.IdentityID(o); a != b {
			t.Fatalf("%+v: %s, later %s", o, a, b)
		}
	})
}

// These texts are for ever: a change of the formula would make a second record
// of every customer after a loss of the database.
func TestFormulaIsPinned(t *testing.T) {
	k := keyring(t, installKey)
	id := k.IdentityID(mapping.Origin{Link: "contacts", System: "hubspot", Tenant: "62515", Object: "contacts", ID: "123", Born: time.UnixMilli(1763640000123)})
	token, err := k.Token(id)
	if err != nil {
		t.Fatal(err)
	}
	if want := "5f3f6ff8-48e6-e49e-bd25-34afa58c96f6"; id != want {
		t.Errorf("identity id %s, want %s", id, want)
	}
	if want := "s1l47w76ci43sj5pjfgsx2ldew6y46fs7osk"; token != want {
		t.Errorf("token %s, want %s", token, want)
	}
}

func TestDifferentRecordsAreDifferentIdentities(t *testing.T) {
	k := keyring(t, installKey)
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawOrigin(t), drawOrigin(t)
		if a != b && k.IdentityID(a) == k.IdentityID(b) {
			t.Fatalf("%+v and %+v are one identity", a, b)
		}
		// A part that moves from one field into the next is another record.
		a.Object, a.ID = "x", "yz"
		c := a
		c.Object, c.ID = "xy", "z"
		if k.IdentityID(a) == k.IdentityID(c) {
			t.Fatal("parts of an origin run into each other")
		}
	})
}

func TestTokenComesBackAsItsIdentity(t *testing.T) {
	k := keyring(t, installKey)
	rapid.Check(t, func(t *rapid.T) {
		id := k.IdentityID(drawOrigin(t))
		token, err := k.Token(id)
		if err != nil {
			t.Fatal(err)
		}
		if len(token) != mapping.TokenLength || strings.ToLower(token) != token || strings.ContainsAny(token, " -_.") {
			t.Fatalf("token %q has not the promised form", token)
		}
		for _, form := range []string{token, strings.ToUpper(token), "  " + token + "\n"} {
			if got, ours := k.Parse(form); !ours || got != id {
				t.Fatalf("Parse(%q) = %q, %t; want %q", form, got, ours, id)
			}
		}
	})
}

func TestChangedTokenIsNotOurs(t *testing.T) {
	k := keyring(t, installKey)
	rapid.Check(t, func(t *rapid.T) {
		token, err := k.Token(k.IdentityID(drawOrigin(t)))
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		c := rapid.SampledFrom([]byte("abcdefghijklmnopqrstuvwxyz234567")).Draw(t, "letter")
		if c == token[at] {
			return
		}
		changed := token[:at] + string(c) + token[at+1:]
		if _, ours := k.Parse(changed); ours {
			t.Fatalf("%q passes for ours", changed)
		}
	})
}

func TestTokenOfAnotherInstallationIsNotOurs(t *testing.T) {
	a, b := keyring(t, installKey), keyring(t, installKey+"2")
	token, err := a.Token(a.IdentityID(mapping.Origin{ID: "1"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, ours := b.Parse(token); ours || a.Fingerprint() == b.Fingerprint() {
		t.Fatal("two installations take each other's tokens")
	}
}

func TestShortKeyIsRefused(t *testing.T) {
	if _, err := mapping.NewKeyring("short"); err == nil {
		t.Fatal("a key of 5 bytes was taken")
	}
}

func FuzzParseToken(f *testing.F) {
	k := keyring(f, installKey)
	token, err := k.Token(k.IdentityID(mapping.Origin{ID: "1"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("s1")
	f.Add(strings.Repeat("a", mapping.TokenLength))
	f.Fuzz(func(t *testing.T, s string) {
		id, ours := k.Parse(s)
		if !ours {
			return
		}
		// Only the canonical spelling of an identity's own token is ours.
		if again, err := k.Token(id); err != nil || again != strings.ToLower(strings.TrimSpace(s)) {
			t.Fatalf("%q passes for the token of %s, which is %q (%v)", s, id, again, err)
		}
	})
}
