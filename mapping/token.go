package mapping

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tokenVersion opens every token; a change of the formula gets another one.
const tokenVersion = "s1"

const (
	idBytes  = 16
	macBytes = 5
	// MinKeyLength is the least length of an install key in bytes.
	MinKeyLength = 16
	// TokenLength is the length of every token in characters.
	TokenLength = 36
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ErrShortKey says that an install key is too short to be a secret.
var ErrShortKey = errors.New("install_key is shorter than 16 bytes")

// Keyring derives identity ids and tokens from the install key, so that a lost
// database makes the same ones again (CORRECTNESS 3.2 "Token and identity id").
type Keyring struct{ key []byte }

// NewKeyring takes the install key, which is never stored.
func NewKeyring(installKey string) (*Keyring, error) {
	if len(installKey) < MinKeyLength {
		return nil, ErrShortKey
	}
	return &Keyring{key: []byte(installKey)}, nil
}

// Fingerprint names the key without telling it; it is what the store keeps.
func (k *Keyring) Fingerprint() string {
	return hex.EncodeToString(k.mac("fingerprint")[:idBytes])
}

// Origin is the record that an identity was first seen as.
type Origin struct {
	Link   string
	System string
	Tenant string // the vendor's id of the account
	Object string
	ID     string
	Born   time.Time // the vendor's creation time; part of the id because vendors re-use ids
}

// IdentityID derives the canonical id of the identity that starts with this
// record, in the form of a UUID. Born counts in whole milliseconds.
func (k *Keyring) IdentityID(o Origin) string {
	sum := k.mac("identity", o.Link, o.System, o.Tenant, o.Object, o.ID, strconv.FormatInt(o.Born.UnixMilli(), 10))
	return uuidText(sum[:idBytes])
}

// Token gives the token that the records of an identity carry. It holds
// lower-case letters and digits only.
func (k *Keyring) Token(identityID string) (string, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(identityID, "-", ""))
	if err != nil || len(raw) != idBytes {
		return "", fmt.Errorf("identity id %q is no UUID", identityID)
	}
	return tokenVersion + base32Lower.EncodeToString(raw) + base32Lower.EncodeToString(k.tokenMAC(raw)), nil
}

// Parse gives the identity id of a token, and whether the token is one of
// ours: made with this install key. Case and surrounding space do not count.
func (k *Keyring) Parse(token string) (identityID string, ours bool) {
	token = strings.ToLower(strings.TrimSpace(token))
	if len(token) != TokenLength || !strings.HasPrefix(token, tokenVersion) {
		return "", false
	}
	raw, err := base32Lower.DecodeString(token[len(tokenVersion) : TokenLength-8])
	if err != nil || len(raw) != idBytes {
		return "", false
	}
	// The last character of the id part has unused bits: only one spelling counts.
	if base32Lower.EncodeToString(raw) != token[len(tokenVersion):TokenLength-8] {
		return "", false
	}
	mac, err := base32Lower.DecodeString(token[TokenLength-8:])
	if err != nil || !hmac.Equal(mac, k.tokenMAC(raw)) {
		return "", false
	}
	return uuidText(raw), true
}

func (k *Keyring) tokenMAC(rawID []byte) []byte {
	return k.mac("token", string(rawID))[:macBytes]
}

// mac hashes length-prefixed parts, so that no two lists of parts collide.
func (k *Keyring) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, k.key)
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum(nil)
}

func uuidText(b []byte) string {
	x := hex.EncodeToString(b)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// KeyHash hides a business key while keeping it comparable: equal values of one
// kind in one link give equal text (SECURITY S21).
func (k *Keyring) KeyHash(link, kind string, parts []string) string {
	return hex.EncodeToString(k.mac(append([]string{"key", link, kind}, parts...)...)[:idBytes])
}

// ValueHash hides a field value while keeping it comparable.
func (k *Keyring) ValueHash(field, value string) string {
	return hex.EncodeToString(k.mac("value", field, value)[:idBytes/2])
}

// RecordHash is all that is kept of the id of an erased record: enough to know it
// again, and nothing else (CORRECTNESS F44).
func (k *Keyring) RecordHash(system, object, recordID string) string {
	return hex.EncodeToString(k.mac("erased", system, object, recordID)[:idBytes])
}
