package hubspot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
)

// Headers of a delivery (section 11).
const (
	headerV3      = "X-HubSpot-Signature-v3"
	headerTime    = "X-HubSpot-Request-Timestamp"
	headerV1      = "X-HubSpot-Signature"
	headerVersion = "X-HubSpot-Signature-Version"
)

// Bounds of a signature: its text, its age, and how far it may lie in the
// future (section 11).
const (
	v3Chars   = 44 // base64 of 32 bytes
	v1Chars   = 64 // hex of 32 bytes
	timeChars = 16
	maxAge    = 300_000 // milliseconds
	maxFuture = 60_000
)

// Verify checks the signature over the raw body, in the configured scheme and
// no other (section 11; SECURITY S1, S2, S3).
func (r *Receiver) Verify(d connectors.Delivery, now time.Time) error {
	if r.signature == SignatureV1 {
		return r.verifyV1(d)
	}
	return r.verifyV3(d, now)
}

func (r *Receiver) verifyV3(d connectors.Delivery, now time.Time) error {
	sig, ok := header(d, headerV3)
	if !ok || len(sig) != v3Chars {
		return badSignature("the v3 signature header is missing, doubled or has another length")
	}
	stamp, ok := header(d, headerTime)
	if !ok || len(stamp) > timeChars || !allDigits(stamp) {
		return badSignature("the time stamp header is missing, doubled or no number")
	}
	got, err := base64.StdEncoding.Strict().DecodeString(sig)
	if err != nil {
		return badSignature("the v3 signature is no base64")
	}
	signed := strings.ToUpper(d.Method) + decodeURL(d.URL) + string(d.Body) + stamp
	if !r.matches(got, func(secret []byte) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(signed))
		return m.Sum(nil)
	}) {
		return badSignature("the v3 signature does not fit")
	}
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return badSignature("the time stamp header is no number")
	}
	if age := now.UnixMilli() - ms; age > maxAge || age < -maxFuture {
		return &connectors.Refusal{Reason: connectors.RefusedStale, Detail: "the time stamp is " +
			strconv.FormatInt(age, 10) + " ms old"}
	}
	return nil
}

// verifyV1 is for old private apps. It signs the body only, so it can neither
// tell a replay nor another URL.
func (r *Receiver) verifyV1(d connectors.Delivery) error {
	if version, given := header(d, headerVersion); given && version != SignatureV1 {
		return badSignature("the signature is of another version")
	}
	sig, ok := header(d, headerV1)
	if !ok || len(sig) != v1Chars || strings.ToLower(sig) != sig {
		return badSignature("the v1 signature header is missing, doubled or has another form")
	}
	got, err := hex.DecodeString(sig)
	if err != nil {
		return badSignature("the v1 signature is no hex")
	}
	if !r.matches(got, func(secret []byte) []byte {
		h := sha256.New()
		h.Write(secret)
		h.Write(d.Body)
		return h.Sum(nil)
	}) {
		return badSignature("the v1 signature does not fit")
	}
	return nil
}

// matches compares with the signature by every secret, always all of them.
func (r *Receiver) matches(got []byte, sign func(secret []byte) []byte) bool {
	ok := false
	for _, s := range r.secrets {
		if hmac.Equal(got, sign(s)) {
			ok = true
		}
	}
	return ok
}

func badSignature(detail string) error {
	return &connectors.Refusal{Reason: connectors.RefusedSignature, Detail: detail}
}

// header gives a header that must be there exactly once, in any case.
func header(d connectors.Delivery, name string) (string, bool) {
	var values []string
	for k, v := range d.Header {
		if strings.EqualFold(k, name) {
			values = append(values, v...)
		}
	}
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// urlEscapes are the escapes that HubSpot decodes in the URL before it signs;
// all others stay (section 11). Lower-case hex digits are treated alike.
var urlEscapes = map[string]byte{
	"3A": ':', "2F": '/', "3F": '?', "40": '@', "21": '!', "24": '$',
	"27": '\'', "28": '(', "29": ')', "2A": '*', "2C": ',', "3B": ';',
}

// decodeURL decodes those escapes once, from left to right.
func decodeURL(u string) string {
	var b strings.Builder
	for i := 0; i < len(u); i++ {
		if u[i] == '%' && i+2 < len(u) {
			if c, ok := urlEscapes[strings.ToUpper(u[i+1:i+3])]; ok {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(u[i])
	}
	return b.String()
}
