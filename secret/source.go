package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFile caps a secret's file in bytes; a longer one is the wrong file.
const maxFile = 64 << 10

// HowTo is how a secret is written, for messages.
const HowTo = "{env: NAME} or {file: path}"

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Source resolves secrets that a config names. The zero Source reads the
// process's environment and files relative to its working directory.
type Source struct {
	Env      func(string) (string, bool)
	ReadFile func(string) ([]byte, error)
	// Dir is what relative paths are relative to: the directory of the config
	// file, so that a config means the same wherever the daemon is started.
	Dir string
}

// Error says why a secret could not be had. It names the source and never
// holds the value, nor text of the config that could be one.
type Error struct {
	Line, Column int // of the node at fault, from 1
	Msg          string
	// Exposed says that the config's text at this place may hold a secret in
	// plain: whoever shows the line must hide it.
	Exposed bool
}

// Error gives the message.
func (e *Error) Error() string { return e.Msg }

// Resolve reads a node of the form {env: NAME} or {file: path}. Line ends at
// the end of a file are cut off. Errors are *Error.
func (s Source) Resolve(n *yaml.Node) (Secret, error) {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		if n.Kind == yaml.ScalarNode && n.Value == "" {
			return Secret{}, at(n, "has no value: write "+HowTo)
		}
		return Secret{}, exposed(n, "a secret is not written into the config: write "+HowTo)
	}
	if len(n.Content) != 2 || n.Content[0].Kind != yaml.ScalarNode || n.Content[1].Kind != yaml.ScalarNode {
		return Secret{}, exposed(n, "a secret has exactly one source: write "+HowTo)
	}
	key, name := n.Content[0].Value, n.Content[1]
	switch key {
	case "env":
		return s.fromEnv(name)
	case "file":
		return s.fromFile(name)
	default:
		return Secret{}, exposed(n, "no such source of a secret: write "+HowTo)
	}
}

func (s Source) fromEnv(n *yaml.Node) (Secret, error) {
	if !envName.MatchString(n.Value) {
		return Secret{}, exposed(n, "this is no name of an environment variable: letters, digits and _ only")
	}
	lookup := s.Env
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, ok := lookup(n.Value)
	switch {
	case !ok:
		return Secret{}, at(n, fmt.Sprintf("the environment variable %s is not set", n.Value))
	case value == "":
		return Secret{}, at(n, fmt.Sprintf("the environment variable %s is empty", n.Value))
	}
	return New(value), nil
}

func (s Source) fromFile(n *yaml.Node) (Secret, error) {
	if n.Value == "" || strings.ContainsAny(n.Value, "\x00\n\r") {
		return Secret{}, exposed(n, "this is no path of a file")
	}
	path := n.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.Dir, path)
	}
	read := s.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	data, err := read(path)
	if err != nil {
		return Secret{}, at(n, fmt.Sprintf("the file %q cannot be read: %s", path, reason(err)))
	}
	if len(data) > maxFile {
		return Secret{}, at(n, fmt.Sprintf("the file %q has more than %d bytes: that is no secret", path, maxFile))
	}
	value := strings.TrimRight(string(data), "\r\n")
	if value == "" {
		return Secret{}, at(n, fmt.Sprintf("the file %q is empty", path))
	}
	return New(value), nil
}

// reason cuts the operation and the path out of a file error.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "not permitted"
	default:
		return "it is no readable file"
	}
}

func at(n *yaml.Node, msg string) *Error { return &Error{Line: n.Line, Column: n.Column, Msg: msg} }

func exposed(n *yaml.Node, msg string) *Error {
	e := at(n, msg)
	e.Exposed = true
	return e
}
