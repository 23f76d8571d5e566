package rest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// readSpec is Read made ready.
type readSpec struct {
	Read
	manyItems path
}

// findSpec is Find made ready.
type findSpec struct {
	Find
	items path
}

// createSpec is Create made ready.
type createSpec struct {
	Create
	answerID path
	many     *batchSpec
}

// updateSpec is Update made ready.
type updateSpec struct {
	Update
	lock source
	body path // of the lock
	many *batchSpec
}

// batchSpec is Batch made ready.
type batchSpec struct {
	Batch
	results, key, send, record, status, fault path
}

// schemaSpec is Schema made ready.
type schemaSpec struct {
	Schema
	items, name, label, kind, readOnly, options, unique path
}

// object checks one object.
func (f *faults) object(key, name string, set Object, s *spec) *object {
	o := &object{name: name, set: set, fields: map[string]field{}}
	if set.ID == "" {
		o.set.ID = "id"
	}
	if set.Record == "" {
		o.set.Record = "$"
	}
	if set.Overlap == 0 {
		o.set.Overlap = defaultOverlap
	}
	if set.IDFormat == "" {
		o.set.IDFormat = defaultIDFormat
	}
	format, err := regexp.Compile(`^(?:` + o.set.IDFormat + `)$`)
	if err != nil {
		f.add(key+".id_format", "is no regular expression (RE2)")
	} else if o.idFormat = format; slices.ContainsFunc([]string{"", "/", "a/b", "..", "a?b", "a\x00", "a b"}, format.MatchString) {
		f.add(key+".id_format", "takes what is no id: an empty text, a slash, a blank, a question mark or a dot and a dot")
	}
	o.id, o.record = f.path(key+".id", o.set.ID), f.path(key+".record", o.set.Record)
	o.modified, o.created = f.path(key+".modified", set.Modified), f.path(key+".created", set.Created)
	o.version, o.archived = f.path(key+".version", set.Version), f.path(key+".archived.path", set.Archived.Path)
	o.author, o.founder = f.path(key+".changed_by", set.Author), f.path(key+".created_by", set.Founder)
	if o.author.given && s.set.Probe.Actor == "" {
		f.add(key+".changed_by", "is compared with who we are: say by probe.actor where that stands")
	}
	if !o.modified.given && !o.version.given {
		f.add(key+".modified", "is missing: without the time of the last change, or a version that grows, no sweep can tell a change")
	}
	for _, n := range slices.Sorted(maps.Keys(set.Fields)) {
		o.fields[n] = f.field(key+".fields."+n, n, set.Fields[n], s.at)
	}
	o.schema = f.schema(key+".schema", set.Schema)
	if len(set.Fields) == 0 && set.Schema.Path == "" {
		f.add(key+".fields", "is missing: name the fields, or give a schema path that tells them")
	}
	_, declared := o.fields[s.set.TokenField]
	o.token = declared || set.Schema.Path != ""
	o.list = f.listing(key+".list", o.set.List, s.at, o)
	if set.List.Path == "" {
		f.add(key+".list.path", "is missing: without a listing nothing finds what webhooks did not tell")
	}
	if set.Bin.Path != "" {
		o.bin = f.listing(key+".bin", set.Bin, s.at, o)
	}
	o.read = f.read(key+".read", set.Read, o.set.List)
	o.find = f.find(key+".find", o)
	o.create = f.create(key+".create", o, s)
	o.update = f.update(key+".update", o)
	f.acts(key, o)
	o.set.WriteBatch = f.writeBatch(key, o)
	return o
}

func (f *faults) writeBatch(key string, o *object) int {
	n := o.set.WriteBatch
	if n < 0 || n > maxBatch {
		f.add(key+".write_batch", "is not between 1 and %d", maxBatch)
	}
	if n > 0 {
		return n
	}
	for _, many := range []*batchSpec{o.create.many, o.update.many} {
		if many != nil {
			n = max(n, many.Max)
		}
	}
	if n == 0 {
		n = defaultBatch
	}
	return n
}

func (f *faults) read(key string, set Read, l List) readSpec {
	f.urlPath(key+".path", set.Path, []string{"id"})
	f.queryTemplates(key+".query", set.Ask, []string{"id"}, nil)
	if set.Path == "" {
		f.add(key+".path", "is missing: the path of one record, with {id}")
	}
	out := readSpec{Read: set}
	if set.Many.Path == "" && set.Many.Param == "" && set.Many.Max == 0 {
		return out
	}
	if set.Many.Path == "" {
		out.Many.Path = l.Path
	}
	if set.Many.Items == "" {
		out.Many.Items = cmpOr(l.Items, "$")
	}
	if set.Many.Max == 0 {
		out.Many.Max = defaultReadMany
	}
	f.urlPath(key+".many.path", out.Many.Path, nil)
	if set.Many.Param == "" {
		f.add(key+".many.param", "is missing: the query key that carries the ids")
	}
	if out.Many.Max < 1 || out.Many.Max > maxBatch {
		f.add(key+".many.max", "is not between 1 and %d", maxBatch)
	}
	out.manyItems = f.path(key+".many.items", out.Many.Items)
	return out
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (f *faults) find(key string, o *object) findSpec {
	set := o.set.Find
	out := findSpec{Find: set}
	if len(set.Query) == 0 && len(set.Fields) == 0 {
		return out
	}
	out.Path, out.Items = cmpOr(set.Path, o.set.List.Path), cmpOr(set.Items, cmpOr(o.set.List.Items, "$"))
	if out.Select.Param == "" {
		out.Select = o.set.List.Select
	}
	f.urlPath(key+".path", out.Path, nil)
	out.items = f.path(key+".items", out.Items)
	f.queryTemplates(key+".query", set.Query, []string{"field", "value"}, []string{"value"})
	if len(set.Query) == 0 {
		f.add(key+".query", "is missing: how a value is asked for, such as {\"{field}\": \"{value}\"}")
	}
	if len(set.Fields) == 0 {
		f.add(key+".fields", "is missing: by which fields the vendor can look up")
	}
	for i, name := range set.Fields {
		if _, ok := o.fields[name]; !ok && o.set.Schema.Path == "" {
			f.add(fmt.Sprintf("%s.fields[%d]", key, i), "%q is not among the fields", name)
		}
	}
	return out
}

func (f *faults) schema(key string, set Schema) schemaSpec {
	out := schemaSpec{Schema: set}
	if set.Path == "" {
		return out
	}
	f.urlPath(key+".path", set.Path, nil)
	if set.Name == "" {
		f.add(key+".name", "is missing: where an item says the field's name, $key in a mapping")
	}
	for _, t := range slices.Sorted(maps.Keys(set.Types)) {
		f.oneOf(key+".types."+t, set.Types[t], fieldTypes...)
	}
	out.items = f.path(key+".items", cmpOr(set.Items, "$"))
	if set.Name != schemaKey {
		out.name = f.path(key+".name", set.Name)
	}
	out.label, out.kind, out.readOnly = f.path(key+".label", set.Label), f.path(key+".type", set.Type), f.path(key+".read_only", set.ReadOnly)
	out.options, out.unique = f.path(key+".options", set.Options), f.path(key+".unique", set.Unique)
	return out
}

// schemaKey stands for the name of a field in a mapping.
const schemaKey = "$key"

// itoa is strconv's, for query values.
func itoa(n int) string { return strconv.Itoa(n) }
