package daemon

import (
	"syncd/config"
	"syncd/connectors"
	"syncd/flows"
)

// CompileLinks is how configured links become the rules that the flows keep; the
// problems are sentences for the operator. The lab plays configurations with it.
func CompileLinks(links []config.Link, infos map[string]connectors.System) ([]*flows.Link, []string) {
	return compileLinks(links, infos, nil)
}
