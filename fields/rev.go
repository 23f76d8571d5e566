package fields

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// revLength is how many hexadecimal digits a row's fingerprint has: 48 bits are
// plenty to tell the few versions of one row apart.
const revLength = 12

// fingerprint hashes everything that decides what a row means. Lengths are part
// of it, so that no two definitions read alike. What a definition does not have
// leaves the fingerprint as it was before that existed.
func fingerprint(s Spec, set setting) string {
	var b strings.Builder
	put := func(s string) { fmt.Fprintf(&b, "%d:%s,", len(s), s) }
	put(s.As)
	params := withoutPolicies(set.params)
	fmt.Fprintf(&b, "%d params,", len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		put(name)
		put(params[name])
	}
	for _, system := range slices.Sorted(maps.Keys(s.Columns)) {
		put(system)
		fmt.Fprintf(&b, "%d columns,", len(s.Columns[system]))
		for _, c := range s.Columns[system] {
			put(c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set.per)) {
		for _, system := range slices.Sorted(maps.Keys(set.per[name])) {
			put("per")
			put(name)
			put(system)
			put(set.per[name][system])
		}
	}
	for _, v := range s.Values {
		put("meaning")
		put(v.Name)
		for _, system := range slices.Sorted(maps.Keys(v.In)) {
			put(system)
			fmt.Fprintf(&b, "%d values,", len(v.In[system]))
			for _, text := range v.In[system] {
				put(text)
			}
		}
	}
	if s.Unknown != "" {
		put("unknown")
		put(s.Unknown)
		put(s.Default)
	}
	if s.Expr != "" {
		put("expr")
		put(s.Expr)
	}
	if s.Const != nil {
		put("value")
		put(*s.Const)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])[:revLength]
}
