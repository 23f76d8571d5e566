package rest

import (
	"embed"
	"io/fs"
	"strings"
)

// shipped are the profiles that come with syncd, in our own words.
//
//go:embed profiles/*.yaml
var shipped embed.FS

// Profile gives the text of a profile that comes with syncd.
func Profile(name string) ([]byte, bool) {
	if strings.ContainsAny(name, "/\\.") {
		return nil, false
	}
	text, err := shipped.ReadFile("profiles/" + name + ".yaml")
	return text, err == nil
}

// Profiles names the profiles that come with syncd, in order.
func Profiles() []string {
	files, err := fs.Glob(shipped, "profiles/*.yaml")
	if err != nil {
		return nil
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(f, "profiles/"), ".yaml"))
	}
	return names
}
