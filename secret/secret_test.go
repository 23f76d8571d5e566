package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const canary = "c4n4ry-S3cret"

// shapes of the canary under verbs that encode.
var shapes = []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary), fmt.Sprint([]byte(canary))}

type holder struct {
	Open   Secret
	Ptr    *Secret
	List   []Secret
	Map    map[string]Secret
	hidden Secret
	ptr    *Secret
}

func newHolder() holder {
	s := New(canary)
	return holder{Open: s, Ptr: &s, List: []Secret{s}, Map: map[string]Secret{"k": s}, hidden: s, ptr: &s}
}

func leaks(t *testing.T, what, out string) {
	t.Helper()
	for _, s := range shapes {
		if strings.Contains(out, s) {
			t.Errorf("%s shows the secret: %s", what, out)
		}
	}
}

func TestNoVerbShowsTheValue(t *testing.T) {
	s, h := New(canary), newHolder()
	verbs := "vsqxXdTtbcoOUeEfFgGpw"
	for _, verb := range verbs {
		for _, flag := range []string{"", "+", "#", " ", "-20", "020", ".3"} {
			f := "%" + flag + string(verb)
			for name, v := range map[string]any{"value": s, "pointer": &s, "struct": h, "struct pointer": &h, "slice": []Secret{s}, "map": map[Secret]Secret{s: s}} {
				leaks(t, f+" of a "+name, fmt.Sprintf(f, v))
			}
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s); got != strings.TrimSpace(strings.Repeat("<secret> ", 7)) {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprintf("%v %#v", Secret{}, &Secret{}); got != "<none> <none>" {
		t.Errorf("got %s", got)
	}
}

func TestNoMarshallerShowsTheValue(t *testing.T) {
	h := newHolder()
	js, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	leaks(t, "json", string(js))
	var back map[string]any
	if err := json.Unmarshal(js, &back); err != nil || back["Open"] != Hidden {
		t.Errorf("json gives %v, %v", back["Open"], err)
	}
	ym, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	leaks(t, "yaml", string(ym))
	if !strings.Contains(string(ym), "open: <secret>") {
		t.Errorf("yaml gives %s", ym)
	}
	text, err := h.Open.MarshalText()
	if err != nil || string(text) != Hidden {
		t.Errorf("text gives %s, %v", text, err)
	}
}

func TestNoLoggerShowsTheValue(t *testing.T) {
	var out bytes.Buffer
	s, h := New(canary), newHolder()
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("m", "s", s, "p", &s, "h", h, "hp", &h, "err", fmt.Errorf("bad %v %s", s, &s), slog.Group("g", "s", s))
	}
	leaks(t, "slog", out.String())
	if !strings.Contains(out.String(), Hidden) {
		t.Errorf("got %s", out.String())
	}
}

// deep prints a value as reflection sees it, past every method.
func deep(v reflect.Value, out *strings.Builder) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			deep(v.Field(i), out)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			deep(v.Elem(), out)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			deep(v.Index(i), out)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			deep(k, out)
			deep(v.MapIndex(k), out)
		}
	case reflect.String:
		out.WriteString(v.String() + "\n")
	}
}

func TestReflectionDoesNotSeeTheValue(t *testing.T) {
	h := newHolder()
	var out strings.Builder
	deep(reflect.ValueOf(&h), &out)
	leaks(t, "reflection", out.String())
	if n := strings.Count(out.String(), sealedPrefix); n != 6 {
		t.Errorf("saw %d sealed values, want 6: %s", n, out.String())
	}
}

func TestRevealAndCompare(t *testing.T) {
	s := New(canary)
	if s.Reveal() != canary || s.Empty() || s != New(canary) || s == New("other") {
		t.Error("a secret is its value and nothing else")
	}
	if !s.Equal(canary) || s.Equal(canary+"x") || s.Equal("") {
		t.Error("Equal compares values")
	}
	var none Secret
	if none.Equal("") || none.Reveal() != "" || !New("").Empty() {
		t.Error("an empty secret equals nothing")
	}
}

func TestSources(t *testing.T) {
	files := map[string]string{filepath.Join("conf", "key"): canary + "\r\n", "/run/abs": canary, "/run/empty": "\n", "/run/big": strings.Repeat("x", maxFile+1)}
	src := Source{
		Dir: "conf",
		Env: func(name string) (string, bool) {
			v, ok := map[string]string{"TOKEN": canary, "EMPTY": ""}[name]
			return v, ok
		},
		ReadFile: func(path string) ([]byte, error) {
			if path == "/run/denied" {
				return nil, fmt.Errorf("open %s: %s: %w", path, canary, fs.ErrPermission)
			}
			data, ok := files[path]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return []byte(data), nil
		},
	}
	for _, tc := range []struct{ in, msg string }{
		{"{env: TOKEN}", ""}, {"{file: key}", ""}, {"{file: /run/abs}", ""},
		{"{env: NOPE}", "the environment variable NOPE is not set"},
		{"{env: EMPTY}", "the environment variable EMPTY is empty"},
		{"{env: " + canary + "}", "this is no name of an environment variable: letters, digits and _ only"},
		{"{file: /run/none}", `the file "/run/none" cannot be read: there is no such file`},
		{"{file: /run/denied}", `the file "/run/denied" cannot be read: not permitted`},
		{"{file: /run/empty}", `the file "/run/empty" is empty`},
		{"{file: /run/big}", `the file "/run/big" has more than 65536 bytes: that is no secret`},
		{"{file: ''}", "this is no path of a file"},
		{canary, "a secret is not written into the config: write " + HowTo},
		{"", "has no value: write " + HowTo},
		{"[" + canary + "]", "a secret is not written into the config: write " + HowTo},
		{"{env: A, file: b}", "a secret has exactly one source: write " + HowTo},
		{"{value: " + canary + "}", "no such source of a secret: write " + HowTo},
	} {
		var doc yaml.Node
		if err := yaml.Load([]byte("s: "+tc.in+"\n"), &doc); err != nil {
			t.Fatal(err)
		}
		got, err := src.Resolve(doc.Content[0].Content[1])
		if tc.msg == "" {
			if err != nil || got.Reveal() != canary {
				t.Errorf("%s: %v", tc.in, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Msg != tc.msg || e.Line != 1 || e.Column < 3 {
			t.Errorf("%s: got %#v", tc.in, err)
			continue
		}
		leaks(t, "error", fmt.Sprintf("%+v %#v", err, err))
		if strings.Contains(tc.in, canary) && !e.Exposed {
			t.Errorf("%s: the place may hold a secret, Exposed must say so", tc.in)
		}
	}
}

func TestYAMLDecodesWithTheProcessEnvironment(t *testing.T) {
	t.Setenv("SYNCD_TEST_CANARY", canary)
	var v struct{ Token Secret }
	if err := yaml.Load([]byte("token: {env: SYNCD_TEST_CANARY}\n"), &v); err != nil || v.Token.Reveal() != canary {
		t.Errorf("got %v, %v", v, err)
	}
	err := yaml.Load([]byte("token: "+canary+"\n"), &v)
	if err == nil {
		t.Fatal("a plain secret was taken")
	}
	leaks(t, "error", err.Error())
}
