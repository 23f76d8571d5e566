package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"math"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
)

// Receiver is the webhook side of the connector.
type Receiver struct{ spec *spec }

var _ connectors.Receiver = (*Receiver)(nil)

// errNoWebhooks says that the settings describe no webhooks.
var errNoWebhooks = errors.New("the settings describe no webhooks")

// NewReceiver gives the receiver of a system's webhooks. Where the settings
// describe none, it refuses everything.
func NewReceiver(c Config) (*Receiver, error) {
	s, faults := compile(c.Settings)
	if len(faults) > 0 {
		return nil, faults.err()
	}
	return &Receiver{s}, nil
}

// Policy says how to answer (vendors/README.md 8).
func (r *Receiver) Policy() connectors.AnswerPolicy {
	if r.spec.hook == nil {
		return connectors.AnswerPolicy{MaxBody: hookBody, RefusedCode: defaultRefused}
	}
	return connectors.AnswerPolicy{
		MaxBody: int64(r.spec.hook.MaxBody), RefusedCode: r.spec.hook.Refuse, Handshakes: r.spec.hook.Handshake.Type == shakeQuery,
	}
}

func bad(detail string) error {
	return &connectors.Refusal{Reason: connectors.RefusedSignature, Detail: detail}
}

// Verify checks where a delivery comes from, over the raw bytes and in the
// configured scheme only (SECURITY S1, S3).
func (r *Receiver) Verify(d connectors.Delivery, now time.Time) error {
	h := r.spec.hook
	if h == nil {
		return bad(errNoWebhooks.Error())
	}
	if _, ok := h.challenge(d); ok {
		return nil // it says nothing but a word to be sent back
	}
	switch h.Scheme {
	case schemePath:
		return nil // the ingress has compared the secret of the URL
	case schemeBasic:
		return h.verifyBasic(d)
	case schemeHeader:
		got, ok := header(d, h.Signature.Header)
		if !ok || !h.anyEquals(strings.TrimPrefix(got, h.Signature.Prefix)) {
			return bad("the header with the secret is missing, doubled or wrong")
		}
		return nil
	}
	return h.verifyHMAC(d, now)
}

// maxHeader bounds a header that is looked at.
const maxHeader = 4096

// header gives a header that is there once and not too long.
func header(d connectors.Delivery, name string) (string, bool) {
	values := d.Header[textproto.CanonicalMIMEHeaderKey(name)]
	if len(values) != 1 || values[0] == "" || len(values[0]) > maxHeader {
		return "", false
	}
	return values[0], true
}

// anyEquals compares a text with every secret in constant time.
func (h *hook) anyEquals(got string) bool {
	given, match := sha256.Sum256([]byte(got)), 0
	for _, key := range h.keys {
		want := sha256.Sum256(key)
		match |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return match == 1
}

func (h *hook) verifyBasic(d connectors.Delivery) error {
	got, ok := header(d, "Authorization")
	kind, text, found := strings.Cut(got, " ")
	if !ok || !found || !strings.EqualFold(kind, "Basic") {
		return bad("the Authorization header is missing, doubled or of another kind")
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return bad("the Authorization header is no base64")
	}
	user, password, _ := strings.Cut(string(plain), ":")
	sameUser := hmac.Equal([]byte(user), []byte(h.User))
	if samePassword := h.anyEquals(password); !sameUser || !samePassword {
		return bad("login or password do not fit")
	}
	return nil
}

// verifyHMAC checks a signature and its time.
func (h *hook) verifyHMAC(d connectors.Delivery, now time.Time) error {
	raw, ok := header(d, h.Signature.Header)
	if !ok {
		return bad("the signature header is missing, doubled or too long")
	}
	stamp, e := h.stamp(d, raw)
	if e != nil {
		return e
	}
	id := ""
	if h.id.header != "" {
		if id, ok = header(d, h.id.header); !ok {
			return bad("the id header is missing, doubled or too long")
		}
	}
	signed := strings.NewReplacer( // one pass: what a value holds is not looked at again
		"{body}", string(d.Body), "{timestamp}", stamp, "{id}", id, "{method}", strings.ToUpper(d.Method), "{url}", d.URL,
	).Replace(h.Signed)
	match := false
	for _, text := range h.candidates(raw) {
		got, err := h.decode(text)
		if err != nil {
			continue
		}
		for _, key := range h.keys {
			m := hmac.New(h.hash(), key)
			m.Write([]byte(signed))
			match = hmac.Equal(got, m.Sum(nil)) || match
		}
	}
	if !match {
		return bad("the signature does not fit")
	}
	if stamp == "" {
		return nil
	}
	return h.fresh(stamp, now)
}

func (h *hook) hash() func() hash.Hash {
	if h.Algorithm == "sha512" {
		return sha512.New
	}
	return sha256.New
}

// maxCandidates bounds how many signatures of one header are tried.
const maxCandidates = 8

// candidates gives the signatures in a header: one, those of a key in a list, or
// Standard Webhooks' versions (sections A.1, A.2).
func (h *hook) candidates(raw string) []string {
	var out []string
	switch {
	case h.Scheme == schemeStandard:
		for _, part := range strings.Fields(raw) {
			if version, text, ok := strings.Cut(part, ","); ok && version == h.Signature.Key {
				out = append(out, text)
			}
		}
	case h.Signature.Key != "":
		out = listed(raw, h.Signature.Key)
	default:
		text, ok := strings.CutPrefix(raw, h.Signature.Prefix)
		if !ok {
			return nil
		}
		out = []string{text}
	}
	return out[:min(len(out), maxCandidates)]
}

// listed gives the values of a key in "t=…,v1=…,v1=…".
func listed(raw, key string) (out []string) {
	for _, part := range strings.Split(raw, ",") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && k == key {
			out = append(out, v)
		}
	}
	return out
}

// decode reads one signature. Hex may be in either case (section A.3).
func (h *hook) decode(text string) ([]byte, error) {
	if h.Signature.Wrapped == wrappedID {
		outer, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		_, inner, found := strings.Cut(string(outer), ":")
		if !found {
			return nil, errors.New("no colon")
		}
		if h.Signature.Encoding == encodingBase64 {
			return []byte(inner), nil // the bytes themselves stand after the colon
		}
		text = inner
	}
	switch h.Signature.Encoding {
	case encodingHex:
		return hex.DecodeString(strings.ToLower(text))
	case encodingBase64URL:
		return base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// stamp gives the text of the time that is signed, "" where none is.
func (h *hook) stamp(d connectors.Delivery, raw string) (string, error) {
	switch {
	case h.Timestamp.Key != "":
		if list := listed(raw, h.Timestamp.Key); len(list) == 1 && list[0] != "" {
			return list[0], nil
		}
	case h.Timestamp.Header != "":
		if s, ok := header(d, h.Timestamp.Header); ok {
			return s, nil
		}
	default:
		return "", nil
	}
	return "", bad("the time stamp is missing or doubled")
}

// fresh says that a time is near now, in both directions.
func (h *hook) fresh(stamp string, now time.Time) error {
	var at time.Time
	switch h.Timestamp.Unit {
	case timeRFC3339:
		at, _ = time.Parse(time.RFC3339Nano, stamp)
	default:
		n, err := strconv.ParseInt(stamp, 10, 64)
		switch {
		case err != nil || n <= 0 || n > math.MaxInt64/2000:
		case h.Timestamp.Unit == unitMillis:
			at = time.UnixMilli(n)
		default:
			at = time.Unix(n, 0)
		}
	}
	if at.IsZero() {
		return bad("the time stamp is no time")
	}
	if age := now.Sub(at); age > h.Tolerance || age < -h.Tolerance {
		return &connectors.Refusal{Reason: connectors.RefusedStale, Detail: "the time stamp is " + age.Round(time.Second).String() + " old"}
	}
	return nil
}

// challengePattern is what may be sent back: a bounded set (SECURITY S26).
var challengePattern = regexp.MustCompile(`^[A-Za-z0-9_.:+/=~-]{1,512}$`)

// challenge gives the word that a handshake wants back.
func (h *hook) challenge(d connectors.Delivery) (string, bool) {
	var word string
	switch h.Handshake.Type {
	case shakeQuery:
		u, err := url.Parse(d.URL)
		if err != nil {
			return "", false
		}
		word = u.Query().Get(h.Handshake.Param)
	case shakeJSON:
		body, ok := decodeJSON(d.Body)
		if _, isEvent := h.recID.get(body); !ok || isEvent {
			return "", false
		}
		word = h.shake.text(body)
	}
	return word, challengePattern.MatchString(word)
}

// Parse turns a verified body into hints. Only ids, versions and times are taken: a
// webhook is never data (SECURITY S4).
func (r *Receiver) Parse(d connectors.Delivery) (connectors.Events, error) {
	h := r.spec.hook
	if h == nil {
		return connectors.Events{}, bad(errNoWebhooks.Error())
	}
	if word, ok := h.challenge(d); ok {
		return connectors.Events{Reply: word}, nil
	}
	body, ok := decodeJSON(d.Body)
	if !ok {
		return connectors.Events{}, &connectors.Refusal{Reason: connectors.RefusedMalformed, Detail: "the body is no JSON"}
	}
	items, ok := h.items.items(body)
	if !ok {
		return connectors.Events{}, &connectors.Refusal{Reason: connectors.RefusedMalformed, Detail: "the body has no events where they should be"}
	}
	out := connectors.Events{Key: h.deliveryID(d, body)}
	fromPath := h.pathGroups(d.Path)
	at := map[[2]string]int{}
	for _, item := range items {
		hint, ok := r.hint(h, item, fromPath)
		if !ok {
			continue
		}
		key := [2]string{hint.Object, hint.RecordID}
		if n, again := at[key]; again { // one record several times in one delivery
			old := out.Hints[n]
			hint.Own = hint.Own && old.Own
			hint.Removed, hint.Erased = hint.Removed || old.Removed, hint.Erased || old.Erased
			hint.Version = max(hint.Version, old.Version)
			out.Hints[n] = hint
			continue
		}
		at[key] = len(out.Hints)
		out.Hints = append(out.Hints, hint)
	}
	return out, nil
}

// maxKey bounds a delivery id.
const maxKey = 200

func (h *hook) deliveryID(d connectors.Delivery, body any) string {
	id := ""
	switch {
	case h.id.header != "":
		id, _ = header(d, h.id.header)
	case h.id.path.given:
		id = h.id.path.text(body)
	}
	if len(id) > maxKey {
		return ""
	}
	return id
}

// pathGroups gives what the URL's path says.
func (h *hook) pathGroups(p string) map[string]string {
	out := map[string]string{}
	if h.fromPath == nil {
		return out
	}
	m := h.fromPath.FindStringSubmatch(p)
	for i, name := range h.fromPath.SubexpNames() {
		if name != "" && i < len(m) {
			out[name] = m[i]
		}
	}
	return out
}

// wordPattern is what a vendor's word for an event may look like.
var wordPattern = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,64}$`)

// hint gives the hint of one event, false if it is about no record of ours.
func (r *Receiver) hint(h *hook, item any, fromPath map[string]string) (connectors.Hint, bool) {
	word := cmpOr(h.object.text(item), fromPath["object"])
	name := h.Events.Only
	if name == "" {
		name = word
		if to, ok := h.Events.Objects[word]; ok {
			name = to
		}
	}
	o := r.spec.objects[name]
	id := h.recID.text(item)
	if o == nil || !o.idFormat.MatchString(id) {
		return connectors.Hint{}, false
	}
	hint := connectors.Hint{Object: name, RecordID: id, At: h.at.parse(h.time.text(item)), What: "change"}
	if what := cmpOr(h.kind.text(item), fromPath["type"]); wordPattern.MatchString(what) {
		hint.What = what
	}
	hint.Own = h.Events.Own != "" && h.actor.text(item) == h.Events.Own
	hint.Erased = slices.Contains(h.Events.Erased, hint.What)
	if hint.Removed = hint.Erased || slices.Contains(h.Events.Gone, hint.What); hint.Erased {
		hint.Own = false // whoever did it, what is known of the person has to go
	}
	if !hint.Removed { // nothing newer can be read of what is gone
		switch {
		case o.version.given:
			hint.Version = pad(h.version.text(item))
		case h.version.given:
			hint.Version = sortable(h.at.parse(h.version.text(item)))
		}
	}
	return hint, true
}
