package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// The formats of -o.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatCSV   = "csv"
)

// table is what a command shows as lines; json shows the answer itself.
type table struct {
	head []string
	rows [][]string
}

// print shows an answer in the chosen format.
func (f *doorFlags) print(w io.Writer, answer any, t table) error {
	switch f.format {
	case formatJSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(answer)
	case formatCSV:
		out := csv.NewWriter(w)
		for _, row := range append([][]string{t.head}, t.rows...) {
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = harmless(cell)
			}
			if err := out.Write(cells); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	case formatTable:
		out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{t.head}, t.rows...) {
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = printable(cell)
			}
			fmt.Fprintln(out, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
		}
		return out.Flush()
	}
	return usageError{fmt.Errorf("-o %q: the formats are table, json and csv", f.format)}
}

// harmless keeps a cell from being a formula in a spreadsheet (SECURITY S22).
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// printable keeps a terminal from taking orders from a vendor's text (S22).
func printable(cell string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, cell)
}
