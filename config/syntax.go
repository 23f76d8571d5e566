package config

import (
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parse gives the root mapping, or nil after saying why there is none.
func (d *decoder) parse(data []byte) *yaml.Node {
	if len(data) > maxSize {
		d.syntax(1, 1, "the config is longer than 1 MiB: this is the wrong file")
		return nil
	}
	if line, column, what := badText(data); what != "" {
		d.syntax(line, column, what)
		return nil
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		d.syntaxError(err)
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		d.syntax(1, 1, "the config is empty: start from config.example.yaml")
		return nil
	}
	root := doc.Content[0]
	d.root = root
	if root.Kind != yaml.MappingNode {
		if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
			d.syntax(1, 1, "the config is empty: start from config.example.yaml")
		} else {
			d.syntax(root.Line, root.Column, "the config must be a mapping: install_key, server, store, systems, links")
		}
		return nil
	}
	return root
}

// badText finds bytes that are no UTF-8 text; the YAML reader gives no place.
func badText(data []byte) (line, column int, what string) {
	line, column = 1, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1:
			return line, column, "this is no UTF-8 text: save the file as UTF-8"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return line, column, "a control character stands here: take it out"
		case r == '\n':
			line, column = line+1, 0
		case r == '\ufeff':
			column-- // a byte order mark takes no room
		}
		data, column = data[n:], column+1
	}
	return 0, 0, ""
}

func (d *decoder) syntaxError(err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		d.syntax(1, 1, "this is no YAML: "+err.Error())
		return
	}
	switch {
	case strings.Contains(e.Message, "no documents"):
		d.syntax(1, 1, "the config is empty: start from config.example.yaml")
		return
	case strings.Contains(e.Message, "found multiple"):
		line, column := d.secondDocument()
		d.syntax(line, column, "a config is one document: take out this --- and what follows")
		return
	}
	line, column := e.Mark.Line, e.Mark.Column
	if line < 1 {
		line, column = e.ContextMark.Line, e.ContextMark.Column
	}
	msg := "this is no YAML: " + strings.TrimPrefix(e.Message, "yaml: ")
	if e.ContextMsg != "" {
		msg += " " + e.ContextMsg
	}
	d.syntax(line, column, msg+d.hint(line, e))
}

// hint adds what usually is behind a syntax error.
func (d *decoder) hint(line int, e *yaml.LoadError) string {
	if line >= 1 && line <= len(d.src.lines) {
		text := d.src.lines[line-1]
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		if strings.Contains(indent, "\t") {
			return "; the line is indented by a tab: use spaces"
		}
	}
	if strings.Contains(e.Message, "did not find expected key") && strings.Contains(e.ContextMsg, "block mapping") {
		return "; is the line indented like its neighbours?"
	}
	return ""
}

// secondDocument finds the line that opens the second document.
func (d *decoder) secondDocument() (line, column int) {
	content := false
	for i, text := range d.src.lines {
		if (text == "---" || strings.HasPrefix(text, "--- ")) && content {
			return i + 1, 1
		}
		text = strings.TrimSpace(text)
		content = content || (text != "" && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "%"))
	}
	return 1, 1
}

// syntax adds an error that no node belongs to.
func (d *decoder) syntax(line, column int, msg string) {
	line = max(1, min(line, len(d.src.lines)))
	d.errs = append(d.errs, Error{File: d.file, Line: line, Column: max(1, column), Msg: msg, width: 1})
}
