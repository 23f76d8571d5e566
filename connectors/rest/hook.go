package rest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Schemes of Webhook (section A).
const (
	schemeStandard = "standard"
	schemeHMAC     = "hmac"
	schemeBasic    = "basic"
	schemeHeader   = "header"
	schemePath     = "secret_path"
	schemeNone     = "none" // a profile's webhooks are not wanted
)

// Ways to write a secret or a signature.
const (
	encodingHex       = "hex"
	encodingBase64    = "base64"
	encodingBase64URL = "base64url"
	decodeRaw         = "raw"
	decodeWhsec       = "whsec"
	whsecPrefix       = "whsec_"
	wrappedID         = "id_colon"
)

// Units of Stamp.
const (
	unitSeconds = "s"
	unitMillis  = "ms"
)

// Handshakes.
const (
	shakeQuery = "query_echo"
	shakeJSON  = "json_challenge"
)

// Bounds of a webhook (SECURITY S3, S5).
const (
	defaultTolerance = 5 * time.Minute
	maxTolerance     = time.Hour
	hookBody         = 1 << 20
	defaultRefused   = http.StatusUnauthorized
)

// hook is Webhook made ready.
type hook struct {
	Webhook
	keys     [][]byte
	id       source
	items    path
	object   path
	recID    path
	version  path
	time     path
	kind     path
	actor    path
	fromPath *regexp.Regexp
	shake    path
	at       clock
}

// webhook checks how changes are announced; nil where they are not.
func (f *faults) webhook(s *spec) *hook {
	set := s.set.Webhook
	if set.Scheme == schemeNone {
		return nil
	}
	if set.Scheme == "" {
		if set.Events.RecID != "" || len(set.Secrets) > 0 {
			f.add("webhook.scheme", "is missing: standard, hmac, basic, header, or secret_path where the vendor signs nothing")
		}
		return nil
	}
	h := &hook{Webhook: set, at: s.at}
	if !f.oneOf("webhook.scheme", set.Scheme, schemeStandard, schemeHMAC, schemeBasic, schemeHeader, schemePath, schemeNone) {
		return h
	}
	f.scheme(h)
	f.secrets(h)
	h.id = f.source("webhook.id", h.ID)
	f.events(h, s)
	switch {
	case h.Tolerance == 0:
		h.Tolerance = defaultTolerance
	case h.Tolerance > maxTolerance:
		f.add("webhook.tolerance", "is longer than an hour: a replay would be as good as new")
	}
	if h.Refuse == 0 {
		h.Refuse = defaultRefused
	}
	if !slices.Contains([]int{200, 202, 204, 400, 401, 403, 404, 422, 503}, h.Refuse) {
		f.add("webhook.refuse_with", "%d is no answer to a delivery that is not taken: 401, 503, or 200 where the vendor punishes any other", h.Refuse)
	}
	if h.MaxBody < 0 || h.MaxBody > hookBody {
		f.add("webhook.max_body", "is not between 1 and %d bytes", hookBody)
	} else if h.MaxBody == 0 {
		h.MaxBody = hookBody
	}
	switch set.Handshake.Type {
	case "":
	case shakeQuery, shakeJSON:
		if set.Handshake.Param == "" {
			f.add("webhook.handshake.param", "is missing: which query key, or which member of the body, is sent back")
		}
		h.shake = f.path("webhook.handshake.param", set.Handshake.Param)
	default:
		f.oneOf("webhook.handshake.type", set.Handshake.Type, shakeQuery, shakeJSON)
	}
	return h
}

// scheme checks a signature and fills in what Standard Webhooks says (section A.1).
func (f *faults) scheme(h *hook) {
	switch h.Scheme {
	case schemeStandard:
		prefix := cmpOr(h.Signature.Prefix, "webhook-")
		if !headerName.MatchString(strings.TrimSuffix(prefix, "-")) {
			f.add("webhook.signature.prefix", "%q is no prefix of headers: webhook- or svix-", prefix)
		}
		h.Decode, h.Algorithm, h.Signed = cmpOr(h.Decode, decodeWhsec), "sha256", "{id}.{timestamp}.{body}"
		h.Signature = Signature{Header: prefix + "signature", Encoding: encodingBase64, Key: "v1"}
		h.Timestamp = Stamp{Header: prefix + "timestamp", Unit: unitSeconds}
		h.ID = "header:" + prefix + "id"
	case schemeHMAC:
		h.Decode, h.Algorithm = cmpOr(h.Decode, decodeRaw), cmpOr(h.Algorithm, "sha256")
		h.Signed, h.Signature.Encoding = cmpOr(h.Signed, "{body}"), cmpOr(h.Signature.Encoding, encodingBase64)
		h.Timestamp.Unit = cmpOr(h.Timestamp.Unit, unitSeconds)
		f.oneOf("webhook.algorithm", h.Algorithm, "sha256", "sha512") // sha1 is no proof any more
		f.oneOf("webhook.signature.encoding", h.Signature.Encoding, encodingHex, encodingBase64, encodingBase64URL)
		f.oneOf("webhook.signature.wrapped", h.Signature.Wrapped, "", wrappedID)
		f.oneOf("webhook.timestamp.unit", h.Timestamp.Unit, unitSeconds, unitMillis, timeRFC3339)
		if err := checkTemplate(h.Signed, []string{"body", "timestamp", "id", "method", "url"}, []string{"body"}); err != nil {
			f.add("webhook.signed", "%v", err)
		}
		if !headerName.MatchString(h.Signature.Header) {
			f.add("webhook.signature.header", "is missing: the header that carries the signature")
		}
		stamped := h.Timestamp.Header != "" || h.Timestamp.Key != ""
		if signed := strings.Contains(h.Signed, "{timestamp}"); signed != stamped {
			f.add("webhook.timestamp", "goes with {timestamp} in signed: a time that is not signed proves nothing, and one that is must stand somewhere")
		}
		if strings.Contains(h.Signed, "{id}") && h.ID == "" {
			f.add("webhook.id", "is missing: {id} is signed")
		}
	case schemeHeader:
		if !headerName.MatchString(h.Signature.Header) {
			f.add("webhook.signature.header", "is missing: the header that carries the secret")
		}
	case schemeBasic:
		if h.User == "" {
			f.add("webhook.user", "is missing: the login that the vendor sends")
		}
	}
}

// secrets reads the secrets.
func (f *faults) secrets(h *hook) {
	switch {
	case h.Scheme == schemePath && len(h.Secrets) > 0:
		f.add("webhook.secrets", "are of no use with secret_path: only the URL's own secret is checked")
	case h.Scheme != schemePath && len(h.Secrets) == 0:
		f.add("webhook.secrets", "is missing: what the vendor signs with, as a list of {env: NAME} or {file: path}")
	}
	for i, s := range h.Secrets {
		key, err := decodeSecret(cmpOr(h.Decode, decodeRaw), s.Reveal())
		if err != nil {
			f.add(fmt.Sprintf("webhook.secrets[%d]", i), "%v", err)
			continue
		}
		h.keys = append(h.keys, key)
	}
}

// leastSecret is the shortest secret that is taken, in bytes.
const leastSecret = 8

func decodeSecret(how, s string) (key []byte, err error) {
	switch how {
	case decodeRaw:
		key = []byte(s)
	case encodingHex:
		key, err = hex.DecodeString(s)
	case encodingBase64:
		key, err = base64.StdEncoding.DecodeString(s)
	case decodeWhsec:
		key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(s, whsecPrefix))
	default:
		return nil, fmt.Errorf("decode %q is none of raw, hex, base64, whsec", how)
	}
	if err != nil {
		return nil, fmt.Errorf("is no %s", how) // the decoder's own words may quote it
	}
	if len(key) < leastSecret {
		return nil, fmt.Errorf("is shorter than %d bytes", leastSecret)
	}
	return key, nil
}

// events checks which records a delivery is about.
func (f *faults) events(h *hook, s *spec) {
	e := h.Events
	h.items, h.object, h.recID = f.path("webhook.events.items", cmpOr(e.Items, "$")), f.path("webhook.events.object", e.Object), f.path("webhook.events.id", e.RecID)
	h.version, h.time = f.path("webhook.events.version", e.Version), f.path("webhook.events.time", e.Time)
	h.kind, h.actor = f.path("webhook.events.type", e.Type), f.path("webhook.events.actor", e.Actor)
	if e.Path != "" {
		re, err := regexp.Compile(e.Path)
		if err != nil {
			f.add("webhook.events.path", "is no regular expression (RE2)")
		}
		h.fromPath = re
	}
	if !h.recID.given {
		f.add("webhook.events.id", "is missing: where an event says whose it is")
	}
	ways := 0
	for _, given := range []bool{e.Object != "", e.Only != "", h.fromPath != nil && slices.Contains(h.fromPath.SubexpNames(), "object")} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		f.add("webhook.events.object", "say in one way which object an event is about: object (a path), only (always the same), or path with a group (?P<object>…)")
	}
	if (e.Actor == "") != (e.Own == "") {
		f.add("webhook.events.own_actor", "goes with actor: who made a change, and who we are")
	}
	for _, word := range slices.Sorted(maps.Keys(e.Objects)) {
		if _, ok := s.objects[e.Objects[word]]; !ok {
			f.add("webhook.events.objects."+word, "there is no object %q", e.Objects[word])
		}
	}
	if _, ok := s.objects[e.Only]; e.Only != "" && !ok {
		f.add("webhook.events.only", "there is no object %q", e.Only)
	}
}
