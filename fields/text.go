package fields

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// cleanText trims, composes (NFC), turns CRLF and CR into LF and every other
// control character into a space. Bytes that are no UTF-8 become U+FFFD.
func cleanText(s string) string {
	if isClean(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			return '\n'
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(norm.NFC.String(s))
}

// isClean spares the common case any work: printable ASCII without space at
// its ends.
func isClean(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

func lowerText(s string) string {
	return norm.NFC.String(strings.ToLower(cleanText(s)))
}

// Longest local part and whole address, in bytes (RFC 5321, 4.5.3.1).
const (
	maxLocalPart = 64
	maxAddress   = 254
)

// parseEmail gives the whole address in lower case. Local parts that differ by
// case only are one mailbox with every provider that a CRM meets. Only the
// plain form is taken: no display name, no quoted local part, no address
// literal, and a domain with a dot.
func parseEmail(s string) (string, bool) {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > maxLocalPart || len(s) > maxAddress {
		return "", false
	}
	local, domain := s[:at], s[at+1:]
	if strings.ContainsFunc(s, isNoAddressRune) || strings.Contains(local, "@") {
		return "", false
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return "", false
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return "", false
	}
	for _, label := range labels {
		if !isHostLabel(label) {
			return "", false
		}
	}
	return lowerText(s), true
}

func isNoAddressRune(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`"(),:;<>[\]`, r)
}

// isHostLabel takes letters of any script, digits and inner hyphens.
func isHostLabel(label string) bool {
	if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
		return false
	}
	for _, r := range label {
		if r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			return false
		}
	}
	return true
}

// cleanName is a name on one line with single spaces.
func cleanName(s string) string {
	return strings.Join(strings.Fields(cleanText(s)), " ")
}

// splitName splits a canonical name into first and last name. The last name
// that stands there now is kept if the name still ends in it: it may have more
// than one word. Otherwise the last word is the last name, and so is a single
// word.
func splitName(canonical, lastNow string) (first, last string) {
	if kept := cleanName(lastNow); kept != "" {
		if canonical == kept {
			return "", lastNow
		}
		if rest, ok := strings.CutSuffix(canonical, " "+kept); ok {
			return rest, lastNow
		}
	}
	cut := strings.LastIndexByte(canonical, ' ')
	if cut < 0 {
		return "", canonical
	}
	return canonical[:cut], canonical[cut+1:]
}

// buildName gives a whole name, from one column or from first and last name.
func buildName(set setting) (built, *Error) {
	b := built{norm: cleanName, usable: func(string) bool { return true }}
	b.codec = func(system string) codec {
		if len(set.spec.Columns[system]) < nameColumns {
			return codec{get: single, put: func(canonical string, _ []string) []string { return []string{canonical} }}
		}
		return codec{
			get: func(shown []string) (string, bool) { return strings.Join(shown, " "), true },
			put: func(canonical string, shown []string) []string {
				first, last := splitName(canonical, shown[1])
				return []string{first, last}
			},
		}
	}
	return b, nil
}
