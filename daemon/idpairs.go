package daemon

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"syncd/connectors"
	"syncd/control"
)

// idPair says which record of the system that comes stands for which of the one
// that goes.
type idPair struct{ old, new string }

// named has each be called with pairs, at most bulkPage at once, from a file's text
// or from a field of the records that come.
func (r *repointing) named(ctx context.Context, text, field string, each func([]idPair) error) error {
	switch {
	case text != "" && field != "":
		return control.Usage("say the pairs by a file or by a field, not by both")
	case text != "":
		pairs, err := readPairs(text)
		if err != nil {
			return err
		}
		return chunked(pairs, each)
	case field != "":
		return r.byInverse(ctx, field, each)
	}
	return control.Usage("say --by FILE with lines old_id,new_id, or --by inverse:FIELD")
}

func chunked(pairs []idPair, each func([]idPair) error) error {
	for part := range slices.Chunk(pairs, bulkPage) {
		if err := each(part); err != nil {
			return err
		}
	}
	return nil
}

// readPairs reads lines old_id,new_id, checked as a whole before anything is done:
// two old records cannot become one.
func readPairs(text string) ([]idPair, error) {
	in := csv.NewReader(strings.NewReader(text))
	in.FieldsPerRecord = 2
	var pairs []idPair
	olds, news := map[string]bool{}, map[string]bool{}
	for line := 1; ; line++ {
		f, err := in.Read()
		if errors.Is(err, io.EOF) {
			return pairs, nil
		}
		if err != nil {
			return nil, control.Usage("the file: %v", err)
		}
		p := idPair{strings.TrimSpace(f[0]), strings.TrimSpace(f[1])}
		switch {
		case line == 1 && p == idPair{"old_id", "new_id"}:
			continue
		case p.old == "" || p.new == "":
			return nil, control.Usage("the file, line %d: an id is missing", line)
		case olds[p.old] || news[p.new]:
			return nil, control.Usage("the file, line %d: %s or %s stands twice", line, p.old, p.new)
		}
		olds[p.old], news[p.new] = true, true
		pairs = append(pairs, p)
	}
}

// byInverse lists the new system, whose records hold the old ids in a field.
func (r *repointing) byInverse(ctx context.Context, field string, each func([]idPair) error) error {
	conn := r.d.system(r.to.System).conn
	q := connectors.Query{Fields: []string{field}}
	listed := map[string]bool{}
	for {
		r.out.call(r.to.System)
		page, err := conn.List(ctx, r.to.Object, q)
		if err != nil {
			return fmt.Errorf("list %s of %s: %w", r.to.Object, r.to.System, err)
		}
		var pairs []idPair
		for _, rec := range page.Records {
			old := strings.TrimSpace(rec.Values[field])
			switch {
			case old == "":
				r.out.count("without_old_id", 1)
			case !listed[rec.ID]: // a listing may show a record twice
				listed[rec.ID] = true
				pairs = append(pairs, idPair{old, rec.ID})
			}
		}
		if err := chunked(pairs, each); err != nil {
			return err
		}
		if page.Next == "" || page.Next == q.Cursor {
			return nil
		}
		q.Cursor = page.Next
	}
}
