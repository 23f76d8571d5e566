package fields

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// samples are values as systems hold them, by transform, written without any
// variety of form: what a transform does not bring back of them is not form but
// content. They are fixed, so that a configuration is judged the same everywhere.
var samples = map[string][]string{
	asText:      {"Jan Novák", "McDonald & Sons", "two\nlines", "0012", "1.50", "ß Ⅷ 名前"},
	asLower:     {"Jan Novák", "plain"},
	asEmail:     {"jan.novak@example.com", "no address"},
	asPhone:     {"+420601111222", "+12025550123", "call the office"},
	asVAT:       {"CZ12345678", "none yet"},
	asCountry:   {"CZ", "DE", "unknown"},
	asNumber:    {"0", "1", "-12.5", "1000000", "0.001", "12345678901234567890.123456789", "n/a"},
	asBool:      {"true", "false", "maybe"},
	asDate:      {"2026-11-20", "1969-12-31", "soon"},
	asCurrency:  {"CZK", "EUR", "points"},
	asDatetime:  {"2026-11-20T15:04:05Z", "2026-07-01T22:30:00Z", "1969-12-31T23:59:59Z", "soon"},
	asJoin:      {"Main Street", "0012"},
	asSet:       {"red", "blue\nred", "Jan Novák"},
	asReference: {"541935488729", "0f8fad5b-d9cb-469f-a165-70867728950e"},
	asName:      {"Jan Novák", "Anna van der Berg", "Madonna"},
}

// samplesOf gives the samples of a transform, and for a scale one with more
// decimals than it keeps. Of a row with values they are the meanings.
func samplesOf(set setting, t *table) []string {
	all := slices.Clone(samples[set.spec.As])
	if scale, err := strconv.Atoi(set.params[paramScale]); err == nil {
		all = append([]string{"12." + strings.Repeat("3", scale) + "6"}, all...)
	}
	if separator := set.params[paramSeparator]; set.spec.As == asJoin {
		all = append(all, "12"+separator+"Main Street")
	}
	if t != nil {
		all = append(all, slices.Sorted(maps.Keys(t.names))...)
	}
	return append(all, "")
}
