package fields

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"github.com/shopspring/decimal"
)

// buildPhone gives E.164. Numbers without "+" are read as dialled in the
// country; without that parameter they stay text.
func buildPhone(set setting) (built, *Error) {
	country := set.params[paramCountry]
	return parsedBy(func(s string) (string, bool) { return parsePhone(s, country) }), nil
}

// maxPhone is the longest text that is read as a phone number: 15 digits
// (E.164) with room for punctuation.
const maxPhone = 48

// parsePhone gives E.164 of a number of possible length. Anything with a letter
// in it stays text: E.164 has no place for "ext. 5" and it would be lost.
func parsePhone(s, country string) (string, bool) {
	if len(s) > maxPhone || strings.ContainsFunc(s, isNoPhoneRune) {
		return "", false
	}
	number, err := phonenumbers.Parse(s, country)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(number) != phonenumbers.IS_POSSIBLE {
		return "", false
	}
	return phonenumbers.Format(number, phonenumbers.E164), true
}

func isNoPhoneRune(r rune) bool {
	return !(r >= '0' && r <= '9') && !strings.ContainsRune("+()-./ ", r) && !unicode.Is(unicode.Zs, r) && !unicode.Is(unicode.Pd, r)
}

// Prefixes of VAT numbers that are not the country's ISO code.
const (
	isoGreece   = "GR"
	vatGreece   = "EL"
	vatNIreland = "XI"
)

// buildVAT gives VAT numbers in capitals without spaces, dots and dashes. The
// country goes in front of a number that has none of its own.
func buildVAT(set setting) (built, *Error) {
	prefix := set.params[paramCountry]
	if prefix == isoGreece {
		prefix = vatGreece
	}
	parse := func(s string) (string, bool) { return parseVAT(s, prefix) }
	return built{norm: orText(parse), usable: func(canonical string) bool {
		again, ok := parse(canonical)
		return ok && again == canonical && strings.ContainsAny(canonical, "123456789")
	}}, nil
}

// maxVAT is longer than any VAT or tax number with its prefix.
const maxVAT = 32

// parseVAT takes letters A–Z and digits with at least one digit. Anything else
// is a remark, not a number.
func parseVAT(s, prefix string) (string, bool) {
	s = strings.ToUpper(strings.Map(func(r rune) rune {
		if r == '.' || unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
			return -1
		}
		return r
	}, s))
	if s == "" || len(s) > maxVAT || !strings.ContainsFunc(s, func(r rune) bool { return r >= '0' && r <= '9' }) {
		return "", false
	}
	for _, c := range []byte(s) {
		if !isLetter(c) && !isDigit(c) {
			return "", false
		}
	}
	if prefix != "" && !hasVATPrefix(s, prefix) {
		s = prefix + s
	}
	return s, len(s) <= maxVAT
}

func hasVATPrefix(s, prefix string) bool {
	if strings.HasPrefix(s, prefix) {
		return true
	}
	if len(s) < len(vatGreece) {
		return false
	}
	own := s[:len(vatGreece)]
	if own == vatGreece || own == vatNIreland {
		return true
	}
	code, ok := parseCountry(own)
	return ok && code == own
}

// How a number is rounded to its scale.
const (
	roundHalfUp   = "half_up"   // halves away from zero; the default
	roundHalfEven = "half_even" // halves to the even neighbour
	roundDown     = "down"      // towards zero
)

// buildNumber gives plain decimals without trailing zeros, rounded to the scale if
// there is one. Never by way of a float.
func buildNumber(set setting) (built, *Error) {
	scale, err := strconv.Atoi(set.params[paramScale])
	rounded := err == nil // checked by checkScale: absent, or a number
	rounding := set.params[paramRounding]
	if rounding != "" && !rounded {
		return built{}, set.spec.fault(paramRounding, "rounding needs a scale: add `scale: 2`")
	}
	return parsedBy(func(s string) (string, bool) {
		d, ok := parseDecimal(s)
		if !ok {
			return "", false
		}
		if rounded {
			d = round(d, int32(scale), rounding)
		}
		return d.String(), true
	}), nil
}

func round(d decimal.Decimal, scale int32, rounding string) decimal.Decimal {
	switch rounding {
	case roundHalfEven:
		return d.RoundBank(scale)
	case roundDown:
		return d.RoundDown(scale)
	}
	return d.Round(scale)
}

const (
	maxNumber   = 128 // bytes of a text that is read as a number
	maxExponent = 40  // largest power of ten, so that "1e999999999" stays text
)

func parseDecimal(s string) (decimal.Decimal, bool) {
	if len(s) > maxNumber {
		return decimal.Decimal{}, false
	}
	for _, c := range []byte(s) {
		if !isDigit(c) && !strings.ContainsRune("+-.eE", rune(c)) {
			return decimal.Decimal{}, false
		}
	}
	d, err := decimal.NewFromString(s)
	if err != nil || d.Exponent() > maxExponent || d.Exponent() < -maxNumber {
		return decimal.Decimal{}, false
	}
	return d, true
}

// parseBool gives "true" or "false".
func parseBool(s string) (string, bool) {
	switch strings.ToLower(s) {
	case "true", "1", "yes":
		return "true", true
	case "false", "0", "no":
		return "false", true
	}
	return "", false
}
