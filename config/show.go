package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// revLength is how many hex digits a Rev has.
const revLength = 12

// fingerprint names what a config says, without its secrets.
func fingerprint(c *Config) (string, error) {
	text, err := c.Show()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:revLength], nil
}

// Show gives the effective config as YAML, defaults and overrides included,
// with every secret as <secret>, or <none> where there is none.
func (c *Config) Show() ([]byte, error) {
	root := object()
	root.add("install_key", word(c.InstallKey.String()))
	server := object().
		add("public_url", word(c.Server.PublicURL)).
		add("webhooks", flow(object().add("listen", word(c.Server.Webhooks.Listen)))).
		add("ops", flow(object().add("listen", word(c.Server.Ops.Listen))))
	if c.Server.Control.Socket != "" {
		server.add("control", flow(object().add("socket", word(c.Server.Control.Socket))))
	}
	root.add("server", server.add("drain_timeout", word(c.Server.DrainTimeout.String())))
	store := object()
	if c.Store.SQLite != "" {
		store.add("sqlite", word(c.Store.SQLite))
	} else {
		store.add("postgres", word(c.Store.Postgres.String()))
	}
	if c.Store.StateDir != "" {
		store.add("state_dir", word(c.Store.StateDir))
	}
	root.add("store", store.add("lease", word(c.Store.Lease.String())).
		add("keep", flow(object().
			add("deliveries", word(c.Store.Keep.Deliveries.String())).
			add("history", word(c.Store.Keep.History.String())).
			add("trash", word(c.Store.Keep.Trash.String())))))
	root.add("log", object().add("level", word(c.Log.Level)).add("format", word(c.Log.Format)))
	systems := object()
	for _, s := range c.Systems {
		n, err := s.show()
		if err != nil {
			return nil, err
		}
		systems.add(s.Name, n)
	}
	root.add("systems", systems)
	links := list()
	for _, l := range c.Links {
		links.Content = append(links.Content, &l.show().Node)
	}
	root.add("links", links)
	return yaml.Dump(&root.Node, yaml.WithIndent(2), yaml.WithLineWidth(-1))
}

func (s System) show() (*node, error) {
	n := object().
		add("kind", word(s.Kind)).
		add("webhook_secret", word(s.WebhookSecret.String())).
		add("previous_webhook_secret", word(s.PreviousWebhookSecret.String())).
		add("sweep_every", word(s.SweepEvery.String())).
		add("describe_every", word(s.DescribeEvery.String())).
		add("sweep_deleted_every", word(s.SweepDeletedEvery.String())).
		add("trust_own_mark", boolean(s.TrustOwnMark)).
		add("budget", flow(object().
			add("per_second", number(s.Budget.PerSecond)).
			add("per_ten_seconds", number(s.Budget.PerTenSeconds)).
			add("in_flight", number(s.Budget.InFlight))))
	if s.Settings == nil || reflect.ValueOf(s.Settings).IsZero() {
		return n, nil
	}
	text, err := yaml.Marshal(s.Settings)
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", s.Name, err)
	}
	var own yaml.Node
	if err := yaml.Load(text, &own); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", s.Name, err)
	}
	n.Content = append(n.Content, own.Content[0].Content...)
	return n, nil
}

func (l Link) show() *node {
	n := object().add("name", word(l.Name)).add("identity", l.Identity.show())
	members := list()
	for _, m := range l.Members {
		one := flow(object().add("system", word(m.System)).add("object", word(m.Object)))
		if len(m.InverseID) > 0 {
			inverse := flow(object())
			for _, system := range namesOf(m.InverseID) {
				inverse.add(system, word(m.InverseID[system]))
			}
			one.add("inverse_id", inverse)
		}
		if len(m.CreateWith) > 0 {
			with := flow(object())
			for _, column := range namesOf(m.CreateWith) {
				with.add(column, word(m.CreateWith[column]))
			}
			one.add("create_with", with)
		}
		if m.Only != "" {
			one.add("only", word(m.Only))
		}
		one.add("leaves", word(m.Leaves))
		one.add("write", boolean(m.Write)).add("listen", boolean(m.Listen))
		members.Content = append(members.Content, &one.Node)
	}
	n.add("members", members)
	match := list()
	for _, alternative := range l.Match {
		match.Content = append(match.Content, &words(alternative).Node)
	}
	n.add("match", flow(match)).add("on_match", word(l.OnMatch))
	create := flow(object())
	for _, m := range l.Members {
		create.add(m.System, boolean(l.Create[m.System]))
	}
	n.add("create", create).add("conflict", l.Conflict.show()).add("delete", l.Delete.show(l))
	if l.Start != "" {
		n.add("start", word(l.Start))
	}
	n.add("erase", flow(object().add("other", word(l.Erase.Other)))).add("merge", flow(object().add("orphan", word(l.Merge.Orphan))))
	fields := list()
	for _, f := range l.Fields {
		fields.Content = append(fields.Content, &f.show(l).Node)
	}
	return n.add("fields", fields)
}

func (f Field) show(l Link) *node {
	n := flow(object().add("name", word(f.Name)))
	for _, m := range l.Members { // in the members' order
		switch columns := f.Columns[m.System]; len(columns) {
		case 0:
		case 1:
			n.add(m.System, word(columns[0]))
		default:
			n.add(m.System, words(columns))
		}
	}
	n.add("as", word(f.As))
	for _, p := range namesOf(f.Params) {
		n.add(p, word(f.Params[p]))
	}
	f.showValues(n)
	if f.From != "" {
		n.add("goes", word(f.From+" -> "+f.To))
	}
	if f.Conflict != nil {
		n.add("conflict", f.Conflict.show())
	}
	if f.Group != "" {
		n.add("group", word(f.Group))
	}
	if f.AcceptLossy {
		n.add("accept_lossy", boolean(true))
	}
	return n.add("private", boolean(f.Private))
}

// showValues adds what a row says of its values.
func (f Field) showValues(n *node) {
	for _, p := range namesOf(f.Per) {
		by := flow(object())
		for _, system := range namesOf(f.Per[p]) {
			by.add(system, word(f.Per[p][system]))
		}
		n.add(p, by)
	}
	if len(f.Values) > 0 {
		values := flow(list())
		for _, v := range f.Values {
			one := flow(object())
			if v.Name != "" {
				one.add("name", word(v.Name))
			}
			for _, system := range namesOf(v.In) {
				one.add(system, words(v.In[system]))
			}
			values.Content = append(values.Content, &one.Node)
		}
		n.add("values", values)
	}
	switch f.Unknown {
	case "":
	case UnknownDefault:
		n.add("unknown", flow(object().add(UnknownDefault, word(f.Default))))
	default:
		n.add("unknown", word(f.Unknown))
	}
	if f.Value != nil {
		n.add("value", word(*f.Value))
	}
	if f.Expr != "" {
		n.add("expr", word(f.Expr))
	}
	if len(f.Samples) > 0 {
		n.add("samples", words(f.Samples))
	}
}

func (p Delete) show(l Link) *node {
	n := flow(object())
	for _, m := range l.Members {
		if policy := p.From[m.System]; policy != "" {
			n.add(deletePrefix+m.System, word(policy))
		}
	}
	return n.add("wins", word(p.Wins)).add("grace", word(p.Grace.String()))
}

func (c Conflict) show() *node {
	switch c.Mode {
	case ConflictUnion:
		return word(c.Mode)
	case ConflictRestrictive:
		return flow(object().add(c.Mode, word(c.Value)))
	case ConflictNewest:
		return flow(object().add(ConflictNewest, word(c.System)))
	case ConflictSystem:
		return word(c.System)
	}
	return word(ConflictAsk)
}

// node is a yaml.Node that is easy to build.
type node struct{ yaml.Node }

func object() *node { return &node{yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}} }

func list() *node { return &node{yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}} }

func words(texts []string) *node {
	n := flow(list())
	for _, text := range texts {
		n.Content = append(n.Content, &word(text).Node)
	}
	return n
}

func flow(n *node) *node {
	n.Style = yaml.FlowStyle
	return n
}

func (n *node) add(key string, value *node) *node {
	n.Content = append(n.Content, &word(key).Node, &value.Node)
	return n
}

func scalar(tag, text string) *node {
	return &node{yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}}
}

func word(text string) *node { return scalar("!!str", text) }

func boolean(b bool) *node { return scalar("!!bool", strconv.FormatBool(b)) }

func number(i int) *node { return scalar("!!int", strconv.Itoa(i)) }
