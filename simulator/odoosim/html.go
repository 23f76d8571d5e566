package odoosim

import (
	"html"
	"regexp"
	"strings"
)

var (
	scripts = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)>`)
	tags    = regexp.MustCompile(`(?s)</?[a-zA-Z][^<>]*>`)
)

// sanitize rewrites html as Odoo does (vendors/odoo.md 4): plain text gets a
// <p>, scripts go, text is escaped, several roots get a <span>. It is the echo
// trap of an html field, not an html parser.
func sanitize(s string) string {
	if strings.TrimSpace(s) == "" {
		return s
	}
	s = scripts.ReplaceAllString(s, "")
	marks := tags.FindAllStringIndex(s, -1)
	if marks == nil {
		return "<p>" + escapeText(s) + "</p>"
	}
	var b strings.Builder
	at := 0
	for _, m := range marks {
		b.WriteString(escapeText(s[at:m[0]]))
		b.WriteString(s[m[0]:m[1]])
		at = m[1]
	}
	b.WriteString(escapeText(s[at:]))
	if oneRoot(s, marks) {
		return b.String()
	}
	return "<span>" + b.String() + "</span>"
}

func escapeText(s string) string {
	s = html.UnescapeString(s)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// oneRoot says that the whole text lies in one element.
func oneRoot(s string, marks [][]int) bool {
	depth := 0
	for i, m := range marks {
		tag := s[m[0]:m[1]]
		switch {
		case strings.HasPrefix(tag, "</"):
			depth--
		case !strings.HasSuffix(tag, "/>") && !strings.HasPrefix(strings.ToLower(tag), "<br"):
			depth++
		}
		if depth <= 0 && i < len(marks)-1 {
			return false
		}
	}
	return marks[0][0] == 0 && marks[len(marks)-1][1] == len(s)
}
