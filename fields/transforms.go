package fields

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// The names of the transforms, as a row's "as" has them.
const (
	asText     = "text"
	asLower    = "lower"
	asEmail    = "email"
	asPhone    = "phone"
	asVAT      = "vat"
	asCountry  = "country"
	asCurrency = "currency"
	asNumber   = "number"
	asBool     = "bool"
	asDate     = "date"
	asDatetime = "datetime"
	asName     = "person_name"
	asJoin     = "join"
	asMap      = "map"
	asSet      = "set"
)

// The names of the parameters.
const (
	paramCountry   = "country"
	paramScale     = "scale"
	paramRounding  = "rounding"
	paramForm      = "form"
	paramZone      = "zone"
	paramPrecision = "precision"
	paramSeparator = "separator"
)

const (
	nameColumns = 2  // person_name: first name, last name
	maxJoined   = 8  // columns that make one text
	maxScale    = 20 // decimals that a number may be rounded to
)

// transform is an entry of the table.
type transform struct {
	maxColumns int
	params     map[string]param
	build      func(setting) (built, *Error)
}

// param is a parameter of a transform. check gives its normal form.
type param struct {
	check     func(string) (string, error)
	perSystem bool // it may differ by system
}

// built is a transform with its parameters. usable tells which canonical values
// may be matched by. partial: see Row.Holds. codec is nil where a single column is
// the value.
type built struct {
	norm    func(string) string
	usable  func(canonical string) bool
	partial bool
	codec   func(system string) codec
	table   *table // where the transform looks values up itself
}

var transforms = map[string]transform{
	asText:     {maxColumns: 1, build: plain(cleanText)},
	asLower:    {maxColumns: 1, build: plain(lowerText)},
	asEmail:    {maxColumns: 1, build: parsed(parseEmail)},
	asPhone:    {maxColumns: 1, params: map[string]param{paramCountry: {check: checkPhoneCountry}}, build: buildPhone},
	asVAT:      {maxColumns: 1, params: map[string]param{paramCountry: {check: checkCountry}}, build: buildVAT},
	asCountry:  {maxColumns: 1, params: map[string]param{paramForm: {check: oneOf(formAlpha2, formAlpha3, formName), perSystem: true}}, build: buildCountry},
	asCurrency: {maxColumns: 1, build: parsed(parseCurrency)},
	asNumber:   {maxColumns: 1, params: map[string]param{paramScale: {check: checkScale}, paramRounding: {check: oneOf(roundHalfUp, roundHalfEven, roundDown)}}, build: buildNumber},
	asBool:     {maxColumns: 1, build: parsed(parseBool)},
	asDate:     {maxColumns: 1, params: map[string]param{paramZone: {check: checkZone, perSystem: true}}, build: buildDate},
	asDatetime: {maxColumns: 1, params: map[string]param{
		paramZone:      {check: checkZone, perSystem: true},
		paramForm:      {check: oneOf(formUTC, formLocal, formSQL, formMillis), perSystem: true},
		paramPrecision: {check: oneOf(precisionMilli, precisionSecond, precisionMinute)},
	}, build: buildDatetime},
	asName: {maxColumns: nameColumns, build: buildName},
	asJoin: {maxColumns: maxJoined, params: map[string]param{paramSeparator: {check: checkSeparator}}, build: buildJoin},
	asMap:  {maxColumns: 1, build: plain(cleanText)},
	asReference: {maxColumns: 1, params: map[string]param{
		paramLink: {check: checkLinkName}, paramOutOfScope: {check: oneOf(OutOfScopeLeave, OutOfScopeClear, OutOfScopePark)}, paramRequired: {check: oneOf("true", "false")},
	}, build: plain(cleanText)},
	asSet: {maxColumns: 1, params: map[string]param{paramSeparator: {check: checkSeparator, perSystem: true}}, build: buildSet},
}

// Transforms gives every transform with the parameters that it takes, sorted.
func Transforms() map[string][]string {
	all := map[string][]string{}
	for name, t := range transforms {
		all[name] = slices.Sorted(maps.Keys(t.params))
	}
	return all
}

// plain is a transform that understands every text.
func plain(norm func(string) string) func(setting) (built, *Error) {
	return func(setting) (built, *Error) {
		return built{norm: norm, usable: func(string) bool { return true }}, nil
	}
}

// parsed is a transform without parameters that understands some texts.
func parsed(parse func(string) (string, bool)) func(setting) (built, *Error) {
	return func(setting) (built, *Error) { return parsedBy(parse), nil }
}

func parsedBy(parse func(string) (string, bool)) built {
	return built{norm: orText(parse), usable: recognised(parse)}
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

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
