package fields

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"
)

// The names of the transforms, as a row's "as" has them.
const (
	asText    = "text"
	asLower   = "lower"
	asEmail   = "email"
	asPhone   = "phone"
	asVAT     = "vat"
	asCountry = "country"
	asNumber  = "number"
	asBool    = "bool"
	asDate    = "date"
	asName    = "person_name"
)

// The names of the parameters.
const (
	paramCountry = "country"
	paramScale   = "scale"
)

const (
	nameColumns = 2  // person_name: first name, last name
	maxScale    = 20 // decimals that a number may be rounded to
)

// transform is an entry of the table. build gets checked parameters and gives
// the row's norm and the test whether a canonical value may be matched by.
type transform struct {
	maxColumns int
	params     map[string]func(string) (string, error)
	build      func(params map[string]string) (norm func(string) string, usable func(string) bool)
}

var transforms = map[string]transform{
	asText:    {maxColumns: 1, build: plain(cleanText)},
	asLower:   {maxColumns: 1, build: plain(lowerText)},
	asEmail:   {maxColumns: 1, build: parsed(parseEmail)},
	asPhone:   {maxColumns: 1, params: map[string]func(string) (string, error){paramCountry: checkPhoneCountry}, build: buildPhone},
	asVAT:     {maxColumns: 1, params: map[string]func(string) (string, error){paramCountry: checkCountry}, build: buildVAT},
	asCountry: {maxColumns: 1, build: parsed(parseCountry)},
	asNumber:  {maxColumns: 1, params: map[string]func(string) (string, error){paramScale: checkScale}, build: buildNumber},
	asBool:    {maxColumns: 1, build: parsed(parseBool)},
	asDate:    {maxColumns: 1, build: parsed(parseDate)},
	asName:    {maxColumns: nameColumns, build: plain(cleanName)},
}

// Transforms gives every transform with the parameters that it takes, sorted.
func Transforms() map[string][]string {
	all := map[string][]string{}
	for name, t := range transforms {
		all[name] = slices.Sorted(maps.Keys(t.params))
	}
	return all
}

// builder is the type of transform.build.
type builder = func(map[string]string) (func(string) string, func(string) bool)

// plain is a transform that understands every text.
func plain(norm func(string) string) builder {
	return func(map[string]string) (func(string) string, func(string) bool) {
		return norm, func(string) bool { return true }
	}
}

// parsed is a transform without parameters that understands some texts.
func parsed(parse func(string) (string, bool)) builder {
	return func(map[string]string) (func(string) string, func(string) bool) {
		return orText(parse), recognised(parse)
	}
}

// orText makes a norm of a parser: what the parser does not understand stays as
// cleaned text, so that it is neither lost nor taken for empty. The parser gets
// cleaned text that is not empty.
func orText(parse func(string) (string, bool)) func(string) string {
	return func(s string) string {
		s = cleanText(s)
		if s == "" {
			return ""
		}
		// Once is enough for nearly every text; the loop makes it a law.
		for range maxNormRounds {
			next, ok := parse(s)
			if !ok || next == s {
				return s
			}
			s = next
		}
		return s
	}
}

// maxNormRounds bounds the search for a value that its own parser leaves alone.
const maxNormRounds = 4

func recognised(parse func(string) (string, bool)) func(string) bool {
	return func(canonical string) bool {
		again, ok := parse(canonical)
		return ok && again == canonical
	}
}

// checkCountry takes an ISO 3166 alpha-2 or alpha-3 code and gives alpha-2.
func checkCountry(value string) (string, error) {
	code, ok := parseCountry(cleanText(value))
	if !ok {
		return "", errors.New(`it is no country code such as "CZ"`)
	}
	return code, nil
}

func checkPhoneCountry(value string) (string, error) {
	code, err := checkCountry(value)
	if err != nil {
		return "", err
	}
	if phonenumbers.GetCountryCodeForRegion(code) == 0 {
		return "", errors.New("no calling code is known for that country")
	}
	return code, nil
}

func checkScale(value string) (string, error) {
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n < 0 || n > maxScale {
		return "", fmt.Errorf("it must be a whole number from 0 to %d", maxScale)
	}
	return strconv.Itoa(n), nil
}

// parseCountry gives the ISO 3166 alpha-2 code of an alpha-2 or alpha-3 code.
func parseCountry(s string) (string, bool) {
	if len(s) != len("CZ") && len(s) != len("CZE") {
		return "", false
	}
	for _, c := range []byte(s) {
		if !isLetter(c) {
			return "", false
		}
	}
	region, err := language.ParseRegion(strings.ToUpper(s))
	if err != nil {
		return "", false
	}
	region = region.Canonicalize()
	code := region.String()
	if !region.IsCountry() || len(code) != len("CZ") {
		return "", false
	}
	return code, true
}

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
