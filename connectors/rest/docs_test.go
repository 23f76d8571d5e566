package rest_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"syncd/config"
	"syncd/connectors/rest"
	"syncd/secret"
)

const docsPath = "../../docs/connector-rest.md"

// keysOf collects the yaml keys of a struct and of all below it.
func keysOf(rt reflect.Type, out map[string]bool) {
	switch rt.Kind() {
	case reflect.Slice, reflect.Map:
		keysOf(rt.Elem(), out)
	case reflect.Struct:
		if rt == reflect.TypeFor[secret.Secret]() {
			return
		}
		for i := range rt.NumField() {
			name, _, _ := strings.Cut(rt.Field(i).Tag.Get("yaml"), ",")
			out[name] = true
			keysOf(rt.Field(i).Type, out)
		}
	}
}

func TestEveryKeyIsInTheDocs(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	keysOf(reflect.TypeFor[rest.Settings](), want)
	for key := range want {
		if !regexp.MustCompile("`" + key + "[`:]").Match(text) {
			t.Errorf("docs/connector-rest.md says nothing about `%s`", key)
		}
	}
	if len(want) < 80 {
		t.Errorf("only %d keys found", len(want))
	}
}

// TestTheDocsExampleIsAProfile: the file that a stranger would copy.
func TestTheDocsExampleIsAProfile(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	profile := ""
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(block[1], "auth:") {
			profile = block[1]
		}
	}
	profile = strings.Replace(profile, `prefix: "Token "}`, `prefix: "Token ", token: {env: TOKEN}}`, 1)
	profile = strings.Replace(profile, "scheme: hmac\n", "scheme: hmac\n  secrets: [{env: TOKEN}]\n", 1)
	var s rest.Settings
	err = config.Decode("erp.yaml", []byte(profile+"base_url: https://erp.example.com\n"), &s, config.Options{Env: func(string) (string, bool) { return "token-of-the-tests", true }})
	if err != nil {
		t.Fatal(err)
	}
	if faults := s.Check(); len(faults) > 0 {
		t.Error(faults)
	}
}
