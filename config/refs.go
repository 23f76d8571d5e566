package config

import (
	"fmt"
	"slices"
	"strings"
)

// asReference is the transform of a row that points to records of another link,
// and these are its parameters that are looked at here.
const (
	asReference   = "reference"
	paramLink     = "link"
	paramRequired = "required"
)

// checkReference says what a row that points to another link cannot be.
func (d *decoder) checkReference(row string, f Field) {
	if f.As != asReference {
		return
	}
	if f.Params[paramLink] == "" {
		d.at(row+".as", "as: reference needs `link:`, the name of the link whose records this points to")
	}
	if f.Group != "" {
		d.at(row+".group", "a reference is decided by itself: take the group out")
	}
}

// checkReferences looks at what references point to, across all links.
func (d *decoder) checkReferences(c *Config) {
	paths := d.linkPaths(c)
	var names []string
	for _, l := range c.Links {
		names = append(names, l.Name)
	}
	for n, l := range c.Links {
		for i, f := range l.Fields {
			row := fmt.Sprintf("%s.fields[%d]", paths[n], i)
			if f.As != asReference || f.Params[paramLink] == "" {
				continue
			}
			to := slices.Index(names, f.Params[paramLink])
			if to < 0 {
				d.at(row+"."+paramLink, "there is no link %q: a reference names the link whose records it points to", f.Params[paramLink]).Suggestion = nearest(f.Params[paramLink], names)
				continue
			}
			for _, system := range namesOf(f.Columns) {
				if _, ok := memberOf(c.Links[to], system); !ok {
					d.at(row+"."+system, "the link %s has no member in %s, so nothing of it can be pointed to there", c.Links[to].Name, system)
				}
			}
		}
	}
	d.checkMatchedReferences(paths, c)
	d.checkRequiredCircles(paths, c)
}

// checkMatchedReferences: strangers cannot meet by what only the id map can name.
func (d *decoder) checkMatchedReferences(paths []string, c *Config) {
	for n, l := range c.Links {
		for i, alternative := range l.Match {
			for j, name := range alternative {
				if slices.ContainsFunc(l.Fields, func(f Field) bool { return f.Name == name && f.As == asReference }) {
					d.at(fmt.Sprintf("%s.match[%d][%d]", paths[n], i, j), "%s is a reference: records are not matched by what they point to", name)
				}
			}
		}
	}
}

// checkRequiredCircles finds links whose creates would wait for each other for
// ever: each demands that a record of the next one is there first.
func (d *decoder) checkRequiredCircles(paths []string, c *Config) {
	required := map[string][]string{} // link → links that must come first
	for _, l := range c.Links {
		for _, f := range l.Fields {
			if f.As == asReference && f.Params[paramRequired] == "true" && f.Params[paramLink] != l.Name {
				required[l.Name] = append(required[l.Name], f.Params[paramLink])
			}
		}
	}
	for n, l := range c.Links {
		circle := circleOf(required, l.Name, nil)
		if len(circle) == 0 || slices.Min(circle) != l.Name { // told once, at its first link by name
			continue
		}
		for i, f := range l.Fields {
			if f.As == asReference && f.Params[paramRequired] == "true" && f.Params[paramLink] == circle[1%len(circle)] {
				d.at(fmt.Sprintf("%s.fields[%d].%s", paths[n], i, paramRequired), "the links %s require each other in a circle, so that none of their records could be created first: take one `required` out",
					strings.Join(append(circle, l.Name), " -> "))
			}
		}
	}
}

// circleOf gives the way from a link back to itself, nil if there is none.
func circleOf(required map[string][]string, link string, way []string) []string {
	if len(way) > 0 && link == way[0] {
		return way
	}
	if slices.Contains(way, link) {
		return nil
	}
	way = append(slices.Clone(way), link)
	for _, next := range required[link] {
		if circle := circleOf(required, next, way); circle != nil {
			return circle
		}
	}
	return nil
}
