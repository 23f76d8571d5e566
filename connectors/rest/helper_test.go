package rest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"syncd/config"
)

// indented puts a system's keys below it.
func indented(text string) string {
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		b.WriteString("    " + line + "\n")
	}
	return b.String()
}

// onlySystem leaves out what is wrong with the link around the system.
func onlySystem(err error) error {
	var all, own config.Errors
	if !errors.As(err, &all) {
		return err
	}
	for _, e := range all {
		if !strings.HasPrefix(e.Path, "links") {
			own = append(own, e)
		}
	}
	if len(own) == 0 {
		return nil
	}
	return own
}

// mac is the HMAC-SHA256 of a text in hex.
func mac(secret, text string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

// mac64 is the same in base64.
func mac64(secret, text string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
