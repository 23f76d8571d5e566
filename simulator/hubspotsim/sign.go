package hubspotsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// Headers of a signed delivery (vendors/hubspot.md 11).
const (
	headerV1        = "X-HubSpot-Signature"
	headerV1Version = "X-HubSpot-Signature-Version"
	headerV3        = "X-HubSpot-Signature-v3"
	headerTimestamp = "X-HubSpot-Request-Timestamp"
)

// signV1 is the older signature: a plain hash of secret and body.
func signV1(secret string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(secret))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// signV3 is the signature that counts. The parts have no separators, the URI
// is taken as it is.
func signV3(secret, method, uri string, body []byte, timestamp string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(method))
	h.Write([]byte(uri))
	h.Write(body)
	h.Write([]byte(timestamp))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// signed are the headers of a delivery: v3 and, as the real one sends, v1
// beside it.
func signed(secret, uri string, body []byte, at time.Time) http.Header {
	timestamp := strconv.FormatInt(at.UnixMilli(), 10)
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "HubSpot Connect (hubspotsim)")
	h.Set(headerV1, signV1(secret, body))
	h.Set(headerV1Version, "v1")
	h.Set(headerV3, signV3(secret, http.MethodPost, uri, body, timestamp))
	h.Set(headerTimestamp, timestamp)
	return h
}
