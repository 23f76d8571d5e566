package hubspot

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/connectors"
)

// vector is one line of testdata/signature-vectors.json.
type vector struct {
	Name, Version, Method, RawURI, URISigned, Body, Timestamp, ClientSecret, Signature string
}

func vectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/signature-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// delivery gives the vector as it would arrive, and the time it was sent.
func (v vector) delivery() (connectors.Delivery, time.Time) {
	d := connectors.Delivery{Method: v.Method, URL: v.RawURI, Body: []byte(v.Body), Header: map[string][]string{}}
	if v.Version == "v3" {
		d.Header["X-Hubspot-Signature-V3"] = []string{v.Signature}
	} else {
		d.Header["X-Hubspot-Signature"] = []string{v.Signature}
		d.Header["X-Hubspot-Signature-Version"] = []string{v.Version}
	}
	d.Header["X-Hubspot-Request-Timestamp"] = []string{v.Timestamp}
	ms, err := strconv.ParseInt(v.Timestamp, 10, 64)
	if err != nil {
		panic(err)
	}
	return d, time.UnixMilli(ms)
}

func receiver(t testing.TB, change func(*Config)) *Receiver {
	t.Helper()
	c := Config{System: "crm", Secrets: []string{"s"}, AppID: simApp, PortalID: simPortal,
		Objects: []string{"contacts", "companies", "2-77"}}
	if change != nil {
		change(&c)
	}
	r, err := NewReceiver(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reason gives the reason of a refusal, "" for none.
func reason(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var r *connectors.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("not a refusal: %v", err)
	}
	return r.Reason
}

// TestVectors runs every vector of section 11: v3 by default, v1 only where it
// is configured, and never one for the other.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			d, now := v.delivery()
			with := func(signature string) string {
				r := receiver(t, func(c *Config) { c.Secrets, c.Signature = []string{"old", v.ClientSecret}, signature })
				return reason(t, r.Verify(d, now))
			}
			wantV3, wantV1 := connectors.RefusedSignature, connectors.RefusedSignature
			switch {
			case v.Version == "v3" && decodeURL(v.RawURI) == v.URISigned:
				wantV3 = ""
			case v.Version == "v1":
				wantV1 = ""
			}
			if got := with(SignatureV3); got != wantV3 {
				t.Errorf("v3: refused %q, want %q", got, wantV3)
			}
			if got := with(SignatureV1); got != wantV1 {
				t.Errorf("v1: refused %q, want %q", got, wantV1)
			}
		})
	}
}

// TestVerifyHeaders walks the ways in which a header can be wrong.
func TestVerifyHeaders(t *testing.T) {
	v := vectors(t)[0]
	r := receiver(t, func(c *Config) { c.Secrets = []string{v.ClientSecret} })
	const sig, stamp = "X-Hubspot-Signature-V3", "X-Hubspot-Request-Timestamp"
	for name, change := range map[string]func(h map[string][]string){
		"signature missing":   func(h map[string][]string) { delete(h, sig) },
		"signature empty":     func(h map[string][]string) { h[sig] = []string{""} },
		"signature doubled":   func(h map[string][]string) { h[sig] = append(h[sig], h[sig][0]) },
		"doubled by case":     func(h map[string][]string) { h["x-hubspot-signature-v3"] = h[sig] },
		"signature is hex":    func(h map[string][]string) { h[sig] = []string{strings.Repeat("ab", 22)} },
		"signature is 1 MB":   func(h map[string][]string) { h[sig] = []string{strings.Repeat("A", 1<<20)} },
		"newline inside":      func(h map[string][]string) { h[sig] = []string{h[sig][0][:40] + "\n" + h[sig][0][41:]} },
		"loose last bits":     func(h map[string][]string) { h[sig] = []string{strings.TrimSuffix(h[sig][0], "s=") + "t="} },
		"stamp missing":       func(h map[string][]string) { delete(h, stamp) },
		"stamp doubled":       func(h map[string][]string) { h[stamp] = append(h[stamp], h[stamp][0]) },
		"stamp not a number":  func(h map[string][]string) { h[stamp] = []string{"+1763640001000"} },
		"stamp is oversized":  func(h map[string][]string) { h[stamp] = []string{strings.Repeat("9", 400)} },
		"stamp is another":    func(h map[string][]string) { h[stamp] = []string{"1763640001001"} },
		"only a v1 signature": func(h map[string][]string) { h["X-Hubspot-Signature"] = h[sig]; delete(h, sig) },
	} {
		d, now := v.delivery()
		change(d.Header)
		if got := reason(t, r.Verify(d, now)); got != connectors.RefusedSignature {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestVerifyAge holds the window of section 11: 300,000 ms back, 60 s ahead.
func TestVerifyAge(t *testing.T) {
	v := vectors(t)[0]
	r := receiver(t, func(c *Config) { c.Secrets = []string{v.ClientSecret} })
	d, sent := v.delivery()
	for ms, want := range map[int]string{
		0: "", maxAge: "", maxAge + 1: connectors.RefusedStale,
		-maxFuture: "", -maxFuture - 1: connectors.RefusedStale, 1 << 40: connectors.RefusedStale,
	} {
		if got := reason(t, r.Verify(d, sent.Add(time.Duration(ms)*time.Millisecond))); got != want {
			t.Errorf("age %d ms: %q, want %q", ms, got, want)
		}
	}
}

// TestDecodeURL is the table of section 11.
func TestDecodeURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://a/b?x=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B": "https://a/b?x=:/?@!$'()*,;",
		"%3a%2f%2A%2a":            ":/**",
		"%20%26%3D%2B%25%253A%5B": "%20%26%3D%2B%25%253A%5B",
		"a?b=c?d":                 "a?b=c?d",
		"%":                       "%",
		"%3":                      "%3",
		"%zz%3":                   "%zz%3",
		"%%3A":                    "%:",
	} {
		if got := decodeURL(in); got != want {
			t.Errorf("decodeURL(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestAnyFlippedBitIsRefused flips one bit anywhere in what is signed or in
// the signature itself.
func TestAnyFlippedBitIsRefused(t *testing.T) {
	all := vectors(t)
	rapid.Check(t, func(rt *rapid.T) {
		v := all[rapid.SampledFrom([]int{0, 1, 3, 7}).Draw(rt, "vector")]
		r := receiver(t, func(c *Config) { c.Secrets, c.Signature = []string{v.ClientSecret}, v.Version })
		d, now := v.delivery()
		flip := func(s string) string {
			b := []byte(s)
			b[rapid.IntRange(0, len(b)-1).Draw(rt, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
			return string(b)
		}
		parts := []string{"body", "signature"}
		if v.Version == "v3" {
			parts = append(parts, "url", "method", "stamp")
		}
		switch rapid.SampledFrom(parts).Draw(rt, "part") {
		case "body":
			d.Body = []byte(flip(string(d.Body)))
		case "url":
			d.URL = flip(d.URL)
		case "method":
			if d.Method = flip(d.Method); strings.EqualFold(d.Method, v.Method) {
				return // the method is compared in upper case
			}
		case "stamp":
			d.Header["X-Hubspot-Request-Timestamp"] = []string{flip(v.Timestamp)}
		case "signature":
			for _, name := range []string{"X-Hubspot-Signature-V3", "X-Hubspot-Signature"} {
				if d.Header[name] != nil {
					d.Header[name] = []string{flip(v.Signature)}
				}
			}
		}
		if got := reason(t, r.Verify(d, now)); got == "" {
			rt.Fatalf("a flipped bit passed")
		}
	})
}

// TestReceiverConfig refuses a receiver that could not tell anything.
func TestReceiverConfig(t *testing.T) {
	for _, c := range []Config{{}, {Secrets: []string{""}}, {Secrets: []string{"x"}, Signature: "v2"}} {
		if _, err := NewReceiver(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if p := receiver(t, nil).Policy(); p.MaxBody != 1<<20 || p.RefusedCode != 401 {
		t.Errorf("policy %+v", p)
	}
}

// FuzzVerify: nothing without the secret passes, and nothing panics.
func FuzzVerify(f *testing.F) {
	f.Add("POST", "https://a/b?c=%3A", "vrMkpN544rvgJzBMshln+rq6pJKBv6bEs25EPOQ+Wns=", "1763640001000", []byte("[]"))
	f.Fuzz(func(t *testing.T, method, url, sig, stamp string, body []byte) {
		d := connectors.Delivery{Method: method, URL: url, Body: body, Header: map[string][]string{
			"X-Hubspot-Signature-V3": {sig}, "X-Hubspot-Signature": {sig}, "X-Hubspot-Request-Timestamp": {stamp},
		}}
		for _, signature := range []string{SignatureV3, SignatureV1} {
			r := receiver(t, func(c *Config) { c.Signature, c.Secrets = signature, []string{"e37b0c51-unguessed"} })
			if reason(t, r.Verify(d, time.UnixMilli(1763640001000))) == "" {
				t.Fatal("a forged delivery passed")
			}
		}
	})
}
