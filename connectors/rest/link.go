package rest

import (
	"net/http"
	"slices"
	"strings"
)

// maxLink bounds a Link header.
const maxLink = 8192

// nextLink gives the URI of rel=next in the Link headers (RFC 8288, section C.2),
// "" if there is none. URIs may hold commas and semicolons, rel several words.
func nextLink(h http.Header) string {
	s := strings.Join(h.Values("Link"), ",")
	if len(s) > maxLink {
		return ""
	}
	for s != "" {
		_, rest, found := strings.Cut(s, "<")
		if !found {
			return ""
		}
		uri, after, found := strings.Cut(rest, ">")
		if !found {
			return ""
		}
		params, next := linkParams(after)
		if slices.Contains(strings.Fields(strings.ToLower(params["rel"])), "next") {
			return uri
		}
		s = next
	}
	return ""
}

// linkParams reads the parameters of one link, up to the comma that ends it.
func linkParams(s string) (params map[string]string, rest string) {
	params = map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == ',' {
			return params, strings.TrimPrefix(s, ",")
		}
		if s[0] != ';' {
			return params, ""
		}
		s = strings.TrimLeft(s[1:], " \t")
		end := strings.IndexAny(s, "=;,")
		if end < 0 {
			return params, ""
		}
		name := strings.ToLower(strings.TrimSpace(s[:end]))
		if s[end] != '=' {
			s = s[end:]
			continue
		}
		s = strings.TrimLeft(s[end+1:], " \t")
		var value string
		if strings.HasPrefix(s, `"`) {
			value, s = quoted(s[1:])
		} else {
			stop := strings.IndexAny(s, ";,")
			if stop < 0 {
				stop = len(s)
			}
			value, s = strings.TrimSpace(s[:stop]), s[stop:]
		}
		if _, twice := params[name]; !twice { // the first counts
			params[name] = value
		}
	}
}

// quoted reads a quoted string after its first quote.
func quoted(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
