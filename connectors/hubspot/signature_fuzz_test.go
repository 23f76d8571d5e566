package hubspot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
)

// The reference below is written from vendors/hubspot.md section 11 alone.

// fuzzSecret signs what the fuzz targets below send.
const fuzzSecret = "e37b0c51-a-client-secret"

// referenceURL undoes the escapes of twelve characters, in either case.
var referenceURL = func() *strings.Replacer {
	var pairs []string
	for _, c := range ":/?@!$'()*,;" {
		hi, lo := fmt.Sprintf("%X", c>>4), fmt.Sprintf("%X", c&15)
		for _, e := range []string{hi + lo, hi + strings.ToLower(lo)} {
			if !slices.Contains(pairs, "%"+e) {
				pairs = append(pairs, "%"+e, string(c))
			}
		}
	}
	return strings.NewReplacer(pairs...)
}()

// signable is what the signatures cover, and where they are told.
type signable struct {
	method, url, stamp string
	body               []byte
	v3, v1             string
}

// text is what v3 signs.
func (s signable) text() string {
	return strings.ToUpper(s.method) + referenceURL.Replace(s.url) + string(s.body) + s.stamp
}

func (s *signable) sign() {
	m := hmac.New(sha256.New, []byte(fuzzSecret))
	m.Write([]byte(s.text()))
	s.v3 = base64.StdEncoding.EncodeToString(m.Sum(nil))
	sum := sha256.Sum256([]byte(fuzzSecret + string(s.body)))
	s.v1 = hex.EncodeToString(sum[:])
}

func (s signable) delivery(scheme string) connectors.Delivery {
	d := connectors.Delivery{Method: s.method, URL: s.url, Body: s.body, Header: map[string][]string{}}
	if scheme == SignatureV1 {
		d.Header["X-Hubspot-Signature"] = []string{s.v1}
		return d
	}
	d.Header["x-hubspot-signature-v3"] = []string{s.v3}
	d.Header["X-HUBSPOT-REQUEST-TIMESTAMP"] = []string{s.stamp}
	return d
}

// flip turns one bit of one part; false if that part is empty.
func (s *signable) flip(part, at, bit int) bool {
	parts := []*string{&s.method, &s.url, &s.stamp, &s.v3, &s.v1}
	part %= len(parts) + 1
	body := string(s.body)
	target := &body
	if part < len(parts) {
		target = parts[part]
	}
	if *target == "" {
		return false
	}
	b := []byte(*target)
	b[at%len(b)] ^= 1 << (bit % 8)
	*target = string(b)
	s.body = []byte(body)
	return true
}

// FuzzSignature: what the reference signs is taken, and with any one bit of it
// turned it is refused.
func FuzzSignature(f *testing.F) {
	f.Add("POST", "https://a/b?x=%3A%2f%26", []byte(`[{"a":1}]`), uint64(1763640001000), 1, 12, 5)
	f.Add("post", "https://a/%253A", []byte{}, uint64(0), 3, 43, 0)
	f.Add("POST", "%3", []byte("1"), uint64(9), 5, 0, 0)
	f.Add("POST", "https://a/%3a", []byte("x"), uint64(9_999_999_999_999_999), 4, 3, 5)
	f.Fuzz(func(t *testing.T, method, url string, body []byte, stamp uint64, part, at, bit int) {
		if part < 0 || at < 0 || bit < 0 {
			return
		}
		const mostStamp = 10_000_000_000_000_000 // one more digit than is taken
		good := signable{method: method, url: url, body: body, stamp: strconv.FormatUint(stamp%mostStamp, 10)}
		good.sign()
		now := time.UnixMilli(int64(stamp % mostStamp))
		bad := good
		if !bad.flip(part, at, bit) {
			return
		}
		for _, scheme := range []string{SignatureV3, SignatureV1} {
			r := receiver(t, func(c *Config) { c.Signature, c.Secrets = scheme, []string{"another", fuzzSecret} })
			if err := r.Verify(good.delivery(scheme), now); err != nil {
				t.Fatalf("%s: what the reference signed: %v", scheme, err)
			}
			same := bad.text() == good.text() && bad.v3 == good.v3 // "%3a" for "%3A", "post" for "POST"
			if scheme == SignatureV1 {
				same = string(bad.body) == string(good.body) && bad.v1 == good.v1
			}
			if err := r.Verify(bad.delivery(scheme), now); (err == nil) != same {
				t.Fatalf("%s: %+v turned into %+v: %v", scheme, good, bad, err)
			}
		}
	})
}

// FuzzDecodeURL: the URL that is signed is the reference's.
func FuzzDecodeURL(f *testing.F) {
	for _, s := range []string{"https://a/b?x=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B", "%3a%2f%2A%2a%253A", "%", "%3", "%%3A", "%zz%20%26%3d%2B%25", "\xff%3A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, u string) {
		if got, want := decodeURL(u), referenceURL.Replace(u); got != want {
			t.Fatalf("decodeURL(%q) = %q, want %q", u, got, want)
		}
	})
}
