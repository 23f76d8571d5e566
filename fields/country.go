package fields

import (
	"strings"
	"sync"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// The forms in which a system keeps a country. All are read everywhere in a row
// that one of its systems keeps by name.
const (
	formAlpha2 = "alpha2"
	formAlpha3 = "alpha3"
	formName   = "name" // in English, as CLDR has it
)

// buildCountry gives the ISO 3166 alpha-2 code.
func buildCountry(set setting) (built, *Error) {
	forms, named := map[string]string{}, false
	for _, system := range set.systems() {
		forms[system] = set.in(system, paramForm)
		named = named || forms[system] == formName
	}
	parse := parseCountry
	if named {
		parse = parseCountryName
	}
	b := parsedBy(parse)
	b.codec = func(system string) codec {
		return codec{get: single, put: func(canonical string, _ []string) []string {
			return []string{countryForm(canonical, forms[system])}
		}}
	}
	return b, nil
}

// single is the get of a codec that reads its one column as it is.
func single(shown []string) (string, bool) { return shown[0], true }

// countryForm writes a code in a system's form, and any other text as it is.
func countryForm(canonical, form string) string {
	if code, ok := parseCountry(canonical); !ok || code != canonical {
		return canonical
	}
	region := language.MustParseRegion(canonical)
	written := canonical
	switch form {
	case formAlpha3:
		written = region.ISO3()
	case formName:
		written = display.English.Regions().Name(region)
	}
	if back, ok := parseCountryName(written); !ok || back != canonical {
		return canonical // no such form of it
	}
	return written
}

// parseCountryName takes codes and English names.
func parseCountryName(s string) (string, bool) {
	if code, ok := parseCountry(s); ok {
		return code, true
	}
	code, ok := countryNames()[lowerText(s)]
	return code, ok
}

// countryNames are the English names in lower case.
var countryNames = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			text := string([]rune{a, b})
			if code, ok := parseCountry(text); ok && code == text {
				names[lowerText(display.English.Regions().Name(language.MustParseRegion(code)))] = code
			}
		}
	}
	return names
})

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

// parseCurrency gives the ISO 4217 code in capitals.
func parseCurrency(s string) (string, bool) {
	if len(s) != len("CZK") {
		return "", false
	}
	unit, err := currency.ParseISO(s)
	if err != nil {
		return "", false
	}
	return unit.String(), true
}
