// Package secret holds values that must never be printed. A Secret says
// <secret> to every printer, marshaller and logger there is; only Reveal gives
// the value. In memory it is sealed with a key of this process, so that
// printers that walk structs by reflection, past all methods, see no value
// either (SECURITY S11).
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"go.yaml.in/yaml/v4"
)

// What a Secret shows instead of its value.
const (
	Hidden = "<secret>" // there is a value
	None   = "<none>"   // there is none
)

// sealedPrefix opens the sealed form, so that a deep printer's reader knows
// what he sees.
const sealedPrefix = "sealed:"

// sealer is the key of this process. It never leaves it.
var sealer = newSealer()

type seal struct {
	block  cipher.Block
	macKey []byte
}

func newSealer() seal {
	key := make([]byte, 2*sha256.Size)
	rand.Read(key) // never fails: crypto/rand ends the process instead
	block, err := aes.NewCipher(key[:sha256.Size])
	if err != nil {
		panic(err) // the key length is a constant
	}
	return seal{block: block, macKey: key[sha256.Size:]}
}

// close is deterministic within the process, which keeps Secrets comparable.
func (s seal) close(value string) string {
	mac := hmac.New(sha256.New, s.macKey)
	mac.Write([]byte(value))
	iv := mac.Sum(nil)[:aes.BlockSize]
	box := make([]byte, aes.BlockSize+len(value))
	copy(box, iv)
	cipher.NewCTR(s.block, iv).XORKeyStream(box[aes.BlockSize:], []byte(value))
	return sealedPrefix + base64.RawStdEncoding.EncodeToString(box)
}

func (s seal) open(sealed string) string {
	box, err := base64.RawStdEncoding.DecodeString(sealed[len(sealedPrefix):])
	if err != nil || len(box) < aes.BlockSize {
		return ""
	}
	value := box[aes.BlockSize:]
	cipher.NewCTR(s.block, box[:aes.BlockSize]).XORKeyStream(value, value)
	return string(value)
}

// Secret is a value that does not print. The zero Secret is empty. Two Secrets
// of one process are == when their values are; compare with what came from
// outside by Equal.
type Secret struct {
	sealed string // "" or the sealed form, never the value
}

var (
	_ fmt.Formatter    = Secret{}
	_ fmt.GoStringer   = Secret{}
	_ json.Marshaler   = Secret{}
	_ yaml.Marshaler   = Secret{}
	_ yaml.Unmarshaler = (*Secret)(nil)
	_ slog.LogValuer   = Secret{}
)

// New makes a Secret of a value in hand: for tests and the demo. A config
// never holds one; it names a Source.
func New(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{sealed: sealer.close(value)}
}

// Reveal gives the value, "" when there is none. Call it where the value is
// used and keep no copy.
func (s Secret) Reveal() string {
	if s.Empty() {
		return ""
	}
	return sealer.open(s.sealed)
}

// Empty says that there is no value.
func (s Secret) Empty() bool { return s.sealed == "" }

// IsZero lets omitempty leave out what is empty, and nothing else.
func (s Secret) IsZero() bool { return s.Empty() }

// Equal compares with a value from outside, in a time that does not depend on
// either. An empty Secret equals nothing, not even the empty string: a check
// against a secret that was never set fails.
func (s Secret) Equal(value string) bool {
	have, got := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(value))
	return subtle.ConstantTimeCompare(have[:], got[:]) == 1 && !s.Empty()
}

// String gives <secret> or <none>.
func (s Secret) String() string {
	if s.Empty() {
		return None
	}
	return Hidden
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// Format prints String under every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is String as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML is String as a YAML scalar.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalYAML reads {env: NAME} or {file: path} with the process's own
// environment and working directory. Package config uses a Source instead,
// which takes relative paths from the directory of the config file.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	got, err := Source{}.Resolve(n)
	if err != nil {
		return err
	}
	*s = got
	return nil
}
