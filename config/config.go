// Package config turns a YAML file into a validated Config. It is strict, says
// everything that is wrong at once, each at its line and column (UX 5.3), and
// never expands text. Systems and links are decoded from the YAML nodes, since
// their keys are case-sensitive; the daemon's own settings go through viper:
// flags, then environment, then file, then defaults. Only this package imports
// viper.
package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"syncd/secret"
)

// Config is a whole configuration, complete and valid.
type Config struct {
	InstallKey secret.Secret `yaml:"install_key"` // at least 16 bytes; tokens derive from it
	Server     Server        `yaml:"server"`
	Store      Store         `yaml:"store"`
	Log        Log           `yaml:"log"`
	Systems    []System      `yaml:"systems"` // a mapping in YAML; in the order of the file
	Links      []Link        `yaml:"links"`
	// Rev is a fingerprint of Show, so without secrets: which config a replica
	// runs.
	Rev string `yaml:"-"`
}

// Server is how the daemon listens.
type Server struct {
	PublicURL string   `yaml:"public_url"` // without a slash at the end; "" if no webhooks come
	Webhooks  Listener `yaml:"webhooks"`   // default 0.0.0.0:8320
	Ops       Listener `yaml:"ops"`        // default 127.0.0.1:9320, loopback only
	Control   Control  `yaml:"control"`
	// DrainTimeout is how long work in hand may take to end at shutdown.
	DrainTimeout time.Duration `yaml:"drain_timeout"` // default 30s
}

// Listener is a TCP address, host:port.
type Listener struct {
	Listen string `yaml:"listen"`
}

// Control is the door for commands.
type Control struct {
	// Socket is the path of a unix socket, default "syncd.sock" in the state
	// directory or "<sqlite>.sock" (Config.ControlSocket); SocketOff takes no commands.
	Socket string `yaml:"socket"`
}

// SocketOff is the Control.Socket of a daemon that takes no commands.
const SocketOff = "off"

// ControlSocket gives the path of the control socket, "" where there is none.
func (c *Config) ControlSocket() string {
	switch {
	case c.Server.Control.Socket == SocketOff:
		return ""
	case c.Server.Control.Socket != "":
		return c.Server.Control.Socket
	case c.Store.StateDir != "":
		return filepath.Join(c.Store.StateDir, "syncd.sock")
	case c.Store.SQLite != "":
		return c.Store.SQLite + ".sock"
	}
	return ""
}

// Store is where the state is kept: exactly one of SQLite and Postgres.
type Store struct {
	SQLite   string        `yaml:"sqlite"`    // path; default syncd.db if there is no Postgres
	Postgres secret.Secret `yaml:"postgres"`  // connection URL
	StateDir string        `yaml:"state_dir"` // where the file "fence" is kept; default beside the SQLite file
	Lease    time.Duration `yaml:"lease"`     // how long a dead replica's work waits; default 60s
	Keep     Keep          `yaml:"keep"`
}

// Log is what is logged, and how.
type Log struct {
	Level  string `yaml:"level"`  // debug, info (default), warn, error
	Format string `yaml:"format"` // text (default) or json
}

// SlogLevel is Level for log/slog.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

// System is one connected application.
type System struct {
	Name string `yaml:"-"` // its key under systems
	Kind string `yaml:"kind"`
	// WebhookSecret is the unguessable part of the webhook URL; empty means
	// that no webhooks are taken. The previous one is still taken during a
	// rotation.
	WebhookSecret         secret.Secret `yaml:"webhook_secret"`
	PreviousWebhookSecret secret.Secret `yaml:"previous_webhook_secret"`
	SweepEvery            time.Duration `yaml:"sweep_every"` // default 5m
	// DescribeEvery is how often it is asked what its objects look like.
	DescribeEvery time.Duration `yaml:"describe_every"` // default 24h
	// SweepDeletedEvery is how often records are looked for that went without a
	// word; 0 is never.
	SweepDeletedEvery time.Duration `yaml:"sweep_deleted_every"` // default 24h
	// TrustOwnMark lets a hint that the vendor marks as our own change end
	// early.
	TrustOwnMark bool   `yaml:"trust_own_mark"` // default true
	Budget       Budget `yaml:"budget"`
	// Settings are the kind's own, as Options.Kinds made them; nil if kinds
	// were not checked.
	Settings any `yaml:"-"`
}

// Budget lowers what a connector may use of the vendor's limits; 0 is the
// connector's own figure.
type Budget struct {
	PerSecond     int `yaml:"per_second"`      // calls started
	PerTenSeconds int `yaml:"per_ten_seconds"` // calls started
	InFlight      int `yaml:"in_flight"`       // calls at once
}

// Link keeps one object of each of its members in step (DESIGN 6).
type Link struct {
	Name     string          `yaml:"name"`
	Identity Identity        `yaml:"identity"`
	Members  []Member        `yaml:"members"`
	Match    [][]string      `yaml:"match"`    // alternatives of names of fields, in order
	OnMatch  string          `yaml:"on_match"` // MatchPair (default), MatchPropose, MatchOff
	Create   map[string]bool `yaml:"create"`   // every member; default true where it may be written
	Conflict Conflict        `yaml:"conflict"` // default ask
	Delete   Delete          `yaml:"delete"`   // what a deletion in one system means for the others
	Start    string          `yaml:"start"`    // StartLive, or "": creates wait for the first plan
	Erase    Erase           `yaml:"erase"`
	Merge    Merge           `yaml:"merge"`
	Fields   []Field         `yaml:"fields"`
}

// Values of Link.Identity, OnMatch and Start.
const (
	IdentityMapping  = "mapping"
	IdentitySystem   = "system_of_record"
	IdentityExternal = "external_id"

	MatchPair    = "pair"
	MatchPropose = "propose"
	MatchOff     = "off"
	StartLive    = "live"
)

// Values of Member.Leaves.
const (
	LeavesFreeze  = "freeze"
	LeavesUnpair  = "unpair"
	LeavesArchive = "archive"
)

// Erase says what follows when a person is erased in one system.
type Erase struct {
	Other string `yaml:"other"` // of their records in the others: FateAsk (default), FateKeep, FateArchive, FateDelete
}

// Merge says what follows when two records are merged in one system.
type Merge struct {
	Orphan string `yaml:"orphan"` // of the loser's records in the others: FateAsk (default), FateKeep, FateArchive
}

// What becomes of a record whose counterpart is no more.
const (
	FateAsk     = "ask"
	FateKeep    = "keep"
	FateArchive = "archive"
	FateDelete  = "delete"
)

// Delete says what becomes of the other records when one is deleted or archived.
type Delete struct {
	From  map[string]string // by system where it happened; DeleteIgnore where nothing is said
	Wins  string            // DeleteWinsUpdate (default), DeleteWinsDelete, DeleteWinsAsk
	Grace time.Duration     // how long a record must be gone before anything follows; default DefaultGrace
}

// Values of Delete.
const (
	DeleteIgnore  = "ignore"
	DeleteUnpair  = "unpair"
	DeleteArchive = "archive"
	DeleteDelete  = "delete"

	DeleteWinsUpdate = "update"
	DeleteWinsDelete = "delete"
	DeleteWinsAsk    = "ask"

	DefaultGrace = 10 * time.Minute
	maxGrace     = 7 * 24 * time.Hour
)

// Member is one object of one system within a link.
type Member struct {
	System string `yaml:"system"`
	Object string `yaml:"object"`
	// InverseID names, per other member's system, the field here that holds
	// that system's record id.
	InverseID map[string]string `yaml:"inverse_id"`
	// CreateWith names columns that are set when syncd creates a record here,
	// and never afterwards.
	CreateWith map[string]string `yaml:"create_with"`
	Only       string            `yaml:"only"`   // filter expression, "" takes every record
	Leaves     string            `yaml:"leaves"` // a paired record fails Only: LeavesFreeze (default), LeavesUnpair, LeavesArchive
	Write      bool              `yaml:"write"`  // default true
	Listen     bool              `yaml:"listen"` // default true
}

// Field is one row: the same thing in several systems.
type Field struct {
	Name    string              `yaml:"name"` // default: the row's last column
	Columns map[string][]string `yaml:"-"`    // by system; one or more columns
	As      string              `yaml:"as"`   // transform, default DefaultTransform
	Params  map[string]string   `yaml:"-"`    // of the transform, for all systems
	// Per are parameters that differ by system: parameter → system → value.
	Per map[string]map[string]string `yaml:"-"`
	// Values are what systems write for one meaning each; Unknown says what becomes
	// of others (UnknownSkip, …), and Default what they count as.
	Values           []RowValue `yaml:"-"`
	Unknown, Default string     `yaml:"-"`
	Value            *string    `yaml:"-"` // the one value that the row must have
	Expr             string     `yaml:"-"` // computes the value from the columns in From
	Samples          []string   `yaml:"-"` // values that must come back as they are
	// From and To are the systems of `goes: a -> b`, "" for every way.
	From, To string    `yaml:"-"`
	Conflict *Conflict `yaml:"conflict"` // nil: the link's
	Private  bool      `yaml:"private"`  // values are kept as keyed hashes in the history
	Group    string    `yaml:"group"`    // rows of one group merge as one value, "" for a row by itself
	// AcceptLossy takes a row that goes every way although what it drops of a
	// value does not come back.
	AcceptLossy bool `yaml:"accept_lossy"`
}

// DefaultTransform is Field.As where a row names none.
const DefaultTransform = "text"

// Conflict says who wins when both sides changed a field.
type Conflict struct {
	Mode   string // ConflictSystem, ConflictNewest, …
	System string // wins; with ConflictNewest within two seconds
	Value  string // wins, with ConflictRestrictive
}

// Modes of a Conflict.
const (
	ConflictSystem = "system"
	ConflictNewest = "newest"
	ConflictAsk    = "ask"

	ConflictUnion       = "union"            // of lists: what either side added, without what either removed
	ConflictRestrictive = "most_restrictive" // one value wins whoever set it
)

// Options say what a config is checked against.
type Options struct {
	// Kinds gives for each kind of connector a fresh pointer to its settings
	// struct with yaml tags, decoded strictly from the system's other keys. If
	// it has a method Validate() error, that is asked too; a *KeyError in its
	// error is shown at its key. Nil: kinds and their keys are not checked.
	Kinds map[string]func() any
	// Env and ReadFile are where secrets and overrides come from; nil is the
	// process's own.
	Env      func(string) (string, bool)
	ReadFile func(string) ([]byte, error)
	// CheckFilter compiles an `only`; nil: not checked.
	CheckFilter func(expr string) error
	// CheckTwoWay tries whether a row that goes every way brings values back as
	// they were; its error is one sentence without a value of anybody's. nil: not
	// checked.
	CheckTwoWay func(f Field) error
	// CheckField tries whether a row can be compiled; its error names the key within
	// the row. nil: not checked.
	CheckField func(f Field) *KeyError
	// Transforms gives for each name of `as` the parameters that it takes;
	// nil: not checked.
	Transforms map[string][]string
	// Flags are settings from the command line: "server.webhooks.listen".
	Flags map[string]string
}

// KeyError is a fault of a kind's setting, found by its Validate.
type KeyError struct {
	Key string // yaml key within the system
	Msg string // a sentence that never holds a secret
}

// Error gives key and message.
func (e *KeyError) Error() string { return e.Key + ": " + e.Msg }

// maxSize caps a config in bytes.
const maxSize = 1 << 20

// Load reads and checks a file. The error is an Errors.
func Load(path string, o Options) (*Config, error) {
	read := o.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	data, err := read(path)
	if err != nil {
		return nil, Errors{{File: path, Msg: fmt.Sprintf("the config cannot be read: %v", err)}}
	}
	return Parse(path, data, o)
}

// Parse checks the text of a config. The name is for messages, and its
// directory is what relative paths of secrets are relative to. The error is an
// Errors, with everything that is wrong.
func Parse(name string, data []byte, o Options) (*Config, error) {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	d := newDecoder(name, data, o)
	c := &Config{Store: Store{Keep: Keep{DefaultKeepDeliveries, DefaultKeepHistory, DefaultKeepTrash}}}
	if root := d.parse(data); root != nil {
		d.config(root, c)
	}
	if d.failed() {
		return nil, d.finish()
	}
	rev, err := fingerprint(c)
	if err != nil {
		return nil, Errors{{File: name, Line: 1, Column: 1, Msg: fmt.Sprintf("the config cannot be shown: %v", err)}}
	}
	c.Rev = rev
	return c, nil
}
