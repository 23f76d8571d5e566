package rest

import (
	"time"

	"syncd/secret"
)

// Settings describe one REST system: the vendor's facts (a profile) and the
// operator's own keys over them. Nothing in them is code: what they cannot say
// needs a connector of its own. Paths into JSON are dotted (data.items.0) or JSON
// pointers (/data/items/0); "$" is the whole.
type Settings struct {
	ProfileVersion string `yaml:"profile_version,omitempty"` // for people
	BaseURL        string `yaml:"base_url,omitempty"`
	// InsecureHTTP allows http:// to a host that is not this machine (SECURITY S10).
	InsecureHTTP bool              `yaml:"insecure_http,omitempty"`
	Auth         Auth              `yaml:"auth,omitempty"`
	Headers      map[string]string `yaml:"headers,omitempty"` // sent with every call
	Timeout      time.Duration     `yaml:"timeout,omitempty"`
	Limits       Limits            `yaml:"limits,omitempty"`
	Time         TimeFormat        `yaml:"time,omitempty"` // of the vendor's own times
	Probe        Probe             `yaml:"probe,omitempty"`
	Errors       Errors            `yaml:"errors,omitempty"`
	TokenField   string            `yaml:"token_field,omitempty"` // holds syncd's reference; default syncd_ref
	Objects      map[string]Object `yaml:"objects,omitempty"`
	Webhook      Webhook           `yaml:"webhook,omitempty"`
}

// Auth is how a call says who we are.
type Auth struct {
	Type  string        `yaml:"type,omitempty"`  // bearer, basic, header, query, oauth2, none
	Token secret.Secret `yaml:"token,omitempty"` // bearer, header and query: the credential
	Name  string        `yaml:"name,omitempty"`  // of the header or the query key
	// Prefix stands before the token in a header: "Token token=".
	Prefix       string        `yaml:"prefix,omitempty"`
	User         string        `yaml:"user,omitempty"` // basic
	Password     secret.Secret `yaml:"password,omitempty"`
	TokenURL     string        `yaml:"token_url,omitempty"` // oauth2, client credentials
	ClientID     string        `yaml:"client_id,omitempty"`
	ClientSecret secret.Secret `yaml:"client_secret,omitempty"`
	Scopes       []string      `yaml:"scopes,omitempty"`
	// Style says where the token endpoint wants id and secret: header (default) or body.
	Style string `yaml:"style,omitempty"`
}

// Limits are the vendor's own: calls started per window, and calls at once.
type Limits struct {
	PerSecond int `yaml:"per_second,omitempty"`
	PerMinute int `yaml:"per_minute,omitempty"`
	PerHour   int `yaml:"per_hour,omitempty"`
	PerDay    int `yaml:"per_day,omitempty"`
	InFlight  int `yaml:"in_flight,omitempty"`
}

// TimeFormat is how times are written: rfc3339, unix_s, unix_ms or a Go layout,
// read in Zone where they name none.
type TimeFormat struct {
	Format string `yaml:"format,omitempty"`
	Zone   string `yaml:"zone,omitempty"` // default UTC
}

// Probe is the call that proves the credential and tells whose account it is.
type Probe struct {
	Path    string `yaml:"path,omitempty"`    // "": a page of the first object is listed
	Tenant  string `yaml:"tenant,omitempty"`  // path in the answer; "": the base URL stands for it
	Actor   string `yaml:"actor,omitempty"`   // who we are there
	Version string `yaml:"version,omitempty"` // of the product
}

// Errors say how a refusal is read.
type Errors struct {
	Code    []string `yaml:"code,omitempty"`    // places of the vendor's code, the first that is there: a path, or header:X-Name
	Message []string `yaml:"message,omitempty"` // of its words for people
	Field   []string `yaml:"field,omitempty"`   // of the field at fault
	// FailedIf are paths that no success holds: 2xx with one of them is a refusal.
	FailedIf []string `yaml:"failed_if,omitempty"`
	// ThrottledIsNotApplied says that a 429 proves that nothing was written (CORRECTNESS F4).
	ThrottledIsNotApplied bool        `yaml:"throttled_is_not_applied,omitempty"`
	Rules                 []ErrorRule `yaml:"rules,omitempty"`
}

// ErrorRule gives a meaning to answers; the first that fits counts, and what none
// fits is read by its status. All conditions that are given must hold.
type ErrorRule struct {
	On     []string `yaml:"on,omitempty"` // operations: read, list, find, create, update, archive, delete, restore, probe, schema
	Status []int    `yaml:"status,omitempty"`
	Code   []string `yaml:"code,omitempty"`
	Says   string   `yaml:"says,omitempty"` // a part of message or code; {id} is the record's
	Is     string   `yaml:"is"`
	ID     string   `yaml:"id,omitempty"` // is exists: where the other record's id stands, {id} in a text or a path
	// NotApplied says whether the answer proves that nothing was written; by default
	// every meaning does but throttled, transient and unknown.
	NotApplied string `yaml:"not_applied,omitempty"` // yes, no
}

// Object is one type of record.
type Object struct {
	ID       string `yaml:"id,omitempty"`         // path of the record id; default id
	IDFormat string `yaml:"id_format,omitempty"`  // RE2 that an id matches whole; default [A-Za-z0-9_.~-]{1,64}
	Record   string `yaml:"record,omitempty"`     // path of the record in a single answer; default $
	Modified string `yaml:"modified,omitempty"`   // path of the time of the last change
	Created  string `yaml:"created,omitempty"`    // path of the time of birth
	Version  string `yaml:"version,omitempty"`    // path of a number that grows with each change, "" if there is none
	Archived Flag   `yaml:"archived,omitempty"`   // how a record in the bin shows it
	Author   string `yaml:"changed_by,omitempty"` // path of who changed the record last, to compare with probe.actor
	Founder  string `yaml:"created_by,omitempty"` // path of who made it, where changed_by is empty

	Read    Read   `yaml:"read,omitempty"`
	List    List   `yaml:"list,omitempty"`
	Bin     List   `yaml:"bin,omitempty"` // lists what is archived
	Find    Find   `yaml:"find,omitempty"`
	Create  Create `yaml:"create,omitempty"`
	Update  Update `yaml:"update,omitempty"`
	Archive Act    `yaml:"archive,omitempty"`
	Delete  Act    `yaml:"delete,omitempty"`
	Restore Act    `yaml:"restore,omitempty"`

	Fields map[string]Field `yaml:"fields,omitempty"`
	Schema Schema           `yaml:"schema,omitempty"`

	RereadDelay time.Duration `yaml:"reread_delay,omitempty"` // a webhook comes before the change can be read
	Overlap     time.Duration `yaml:"overlap,omitempty"`      // how far a sweep looks back; default 5m
	WriteBatch  int           `yaml:"write_batch,omitempty"`  // writes worked off in one go; default 10, or create_many's size
}

// Flag is a field that says something by one of its values.
type Flag struct {
	Path string   `yaml:"path,omitempty"`
	Is   []string `yaml:"is,omitempty"` // default "true"; "set" is any value but nothing
}

// Read is the call for one record by its id, and if there is one, for many.
type Read struct {
	Path string            `yaml:"path,omitempty"` // with {id}
	Many Many              `yaml:"many,omitempty"`
	Ask  map[string]string `yaml:"query,omitempty"`
}

// Many is a call that reads several records by id.
type Many struct {
	Path  string `yaml:"path,omitempty"`
	Items string `yaml:"items,omitempty"` // path of the records in the answer; default that of list
	// Param carries the ids: joined by Join, or repeated where Join is empty.
	Param string            `yaml:"param,omitempty"`
	Join  string            `yaml:"join,omitempty"`
	Max   int               `yaml:"max,omitempty"` // most ids in a call; default 50
	Query map[string]string `yaml:"query,omitempty"`
}

// List is the call that pages through records.
type List struct {
	Path  string            `yaml:"path,omitempty"`
	Query map[string]string `yaml:"query,omitempty"` // as it is, on every page
	Items string            `yaml:"items,omitempty"` // path of the list in the answer; default $
	Since Since             `yaml:"since,omitempty"`
	// Order is what the vendor guarantees: modified (oldest change first), id (one
	// that changes do not move), none.
	Order  string `yaml:"order,omitempty"`
	Paging Paging `yaml:"paging,omitempty"`
	Select Select `yaml:"select,omitempty"`
}

// Since asks for what changed from a time on.
type Since struct {
	Param string            `yaml:"param,omitempty"` // "": not asked for, older records are dropped here
	Query map[string]string `yaml:"query,omitempty"` // instead of param: keys whose values hold {since}
	Time  TimeFormat        `yaml:"time,omitempty"`  // default that of the system
	// Bound is inclusive (at or after) or exclusive (after).
	Bound string `yaml:"bound,omitempty"`
	// Granularity is the grain of the vendor's comparison.
	Granularity time.Duration `yaml:"granularity,omitempty"`
}

// Paging is how the next page is asked for.
type Paging struct {
	Style    string `yaml:"style,omitempty"` // page, offset, token, next_url, link, none
	Param    string `yaml:"param,omitempty"` // page, offset and token: the query key
	Start    int    `yaml:"start,omitempty"` // page: the number of the first; default 1
	FromZero bool   `yaml:"from_zero,omitempty"`
	Size     int    `yaml:"size,omitempty"`
	SizeKey  string `yaml:"size_param,omitempty"`
	Next     string `yaml:"next,omitempty"` // token and next_url: where it stands in the answer
	Stop     string `yaml:"stop,omitempty"` // page and offset: short_page, empty (default) or more
	More     string `yaml:"more,omitempty"` // stop more: path of the flag that says so
}

// Select asks for some fields only.
type Select struct {
	Param string   `yaml:"param,omitempty"`
	Join  string   `yaml:"join,omitempty"`  // default ,
	Extra []string `yaml:"extra,omitempty"` // vendor names that are always asked for
}

// Find looks records up by the value of a field.
type Find struct {
	Path   string            `yaml:"path,omitempty"`   // default that of list
	Query  map[string]string `yaml:"query,omitempty"`  // keys and values may hold {field} and {value}
	Fields []string          `yaml:"fields,omitempty"` // by which the vendor can
	Items  string            `yaml:"items,omitempty"`  // default that of list
	Bin    map[string]string `yaml:"bin,omitempty"`    // a second call with these: what is archived
	Select Select            `yaml:"select,omitempty"`
	// Lag is the longest time until a look-up shows what was written.
	Lag time.Duration `yaml:"lag,omitempty"`
}

// Create is the call that makes a record.
type Create struct {
	Method string            `yaml:"method,omitempty"` // default POST
	Path   string            `yaml:"path,omitempty"`
	Query  map[string]string `yaml:"query,omitempty"`
	Header map[string]string `yaml:"headers,omitempty"`
	Wrap   string            `yaml:"wrap,omitempty"` // the record's member in the body; "": the body is the record
	Add    map[string]string `yaml:"add,omitempty"`  // constants in the record
	// Class is unique, search or blind (CORRECTNESS 0.2). Unique: the vendor itself
	// keeps token_field unique, against concurrent creates too.
	Class       string        `yaml:"class,omitempty"`
	Settle      time.Duration `yaml:"settle,omitempty"` // class search: longest late delivery; default 5m
	Idempotency Idempotency   `yaml:"idempotency,omitempty"`
	// Answer is record (default), id or location: what a success carries.
	Answer   string `yaml:"answer,omitempty"`
	AnswerID string `yaml:"answer_id,omitempty"` // answer id: its path; "$" for a bare id
	Many     Batch  `yaml:"many,omitempty"`
}

// Idempotency is a key that the vendor keeps: the same create with the same key
// makes one record. Only where it is honoured (CORRECTNESS 0.1.4).
type Idempotency struct {
	Header string        `yaml:"header,omitempty"`
	Quoted bool          `yaml:"quoted,omitempty"` // as a structured field
	Window time.Duration `yaml:"window,omitempty"` // how long it is kept
}

// Batch is a call that writes several records.
type Batch struct {
	Method  string `yaml:"method,omitempty"`
	Path    string `yaml:"path,omitempty"`
	Wrap    string `yaml:"wrap,omitempty"`    // the list's member in the body; "": the body is the list
	Max     int    `yaml:"max,omitempty"`     // most records in a call
	Results string `yaml:"results,omitempty"` // path of the list of results
	// Key is the path, in a result and in a record sent, by which they are matched:
	// never by position (CORRECTNESS F13).
	Key    string `yaml:"key,omitempty"`    // in a result
	Send   string `yaml:"send,omitempty"`   // where the write's key goes in a record sent; update: default the id
	Record string `yaml:"record,omitempty"` // in a result: path of the record
	Status string `yaml:"status,omitempty"` // in a result: path of its own status
	Error  string `yaml:"error,omitempty"`  // in a result: path of its own refusal, read by errors
}

// Update is the call that changes a record.
type Update struct {
	Method string            `yaml:"method,omitempty"` // default PATCH
	Path   string            `yaml:"path,omitempty"`   // with {id}; default that of read
	Query  map[string]string `yaml:"query,omitempty"`
	Header map[string]string `yaml:"headers,omitempty"`
	Wrap   string            `yaml:"wrap,omitempty"`
	Add    map[string]string `yaml:"add,omitempty"`
	Type   string            `yaml:"content_type,omitempty"` // default application/json
	// Style is merge_deep (default: what is sent changes, at every depth), merge
	// (members of the top level change as a whole) or replace (the record is written
	// as a whole). For the last two the record is read first.
	Style  string `yaml:"style,omitempty"`
	Null   string `yaml:"null,omitempty"` // how a value is emptied: null (default) or empty, a text of no length
	Lock   Lock   `yaml:"lock,omitempty"`
	Answer string `yaml:"answer,omitempty"` // record (default) or none
	Many   Batch  `yaml:"many,omitempty"`
}

// Lock is what makes the vendor refuse a write over a change that we have not seen.
type Lock struct {
	Header   string `yaml:"header,omitempty"`   // If-Match, X-Version-Number; carries what From says
	Field    string `yaml:"field,omitempty"`    // or a path in the body that does
	From     string `yaml:"from,omitempty"`     // header:ETag, or a path in the record
	Required bool   `yaml:"required,omitempty"` // the vendor takes no write without: read first if need be
}

// Act is a call on one record without values.
type Act struct {
	Method string            `yaml:"method,omitempty"`
	Path   string            `yaml:"path,omitempty"` // with {id}
	Query  map[string]string `yaml:"query,omitempty"`
	Header map[string]string `yaml:"headers,omitempty"`
	Body   map[string]string `yaml:"body,omitempty"` // a record with these values: {status: archived}
}

// Field is one field of a record.
type Field struct {
	Path     string            `yaml:"path,omitempty"` // default the field's name
	Type     string            `yaml:"type,omitempty"` // text (default), bool, number, date, time, enum, reference, other
	Label    string            `yaml:"label,omitempty"`
	ReadOnly bool              `yaml:"read_only,omitempty"`
	Unique   bool              `yaml:"unique,omitempty"`
	Options  []string          `yaml:"options,omitempty"`
	Target   string            `yaml:"target,omitempty"`
	Time     TimeFormat        `yaml:"time,omitempty"`    // type time; default that of the system
	SendAs   string            `yaml:"send_as,omitempty"` // text or number, where the type would say otherwise
	Bool     map[string]string `yaml:"bool,omitempty"`    // type bool: how true and false are written
	Nothing  []string          `yaml:"nothing,omitempty"` // values that mean nothing: "0000-00-00"
}

// Schema is a call that tells the fields of an object.
type Schema struct {
	Path     string            `yaml:"path,omitempty"`
	Query    map[string]string `yaml:"query,omitempty"`
	Items    string            `yaml:"items,omitempty"` // a list, or a mapping by name
	Name     string            `yaml:"name,omitempty"`  // in an item; $key for the name in a mapping
	Label    string            `yaml:"label,omitempty"`
	Type     string            `yaml:"type,omitempty"`
	Types    map[string]string `yaml:"types,omitempty"` // the vendor's word to ours; what is not in it is other
	ReadOnly string            `yaml:"read_only,omitempty"`
	Options  string            `yaml:"options,omitempty"`
	Unique   string            `yaml:"unique,omitempty"`
}

// Webhook is how the vendor announces changes.
type Webhook struct {
	Scheme string `yaml:"scheme,omitempty"` // standard, hmac, basic, header, secret_path, none
	// Secrets check signatures, several while rotating or where the vendor has one
	// per subscription. Scheme basic: passwords; header: the values.
	Secrets   []secret.Secret `yaml:"secrets,omitempty"`
	User      string          `yaml:"user,omitempty"`   // basic
	Decode    string          `yaml:"decode,omitempty"` // of a secret: raw (default), hex, base64, whsec
	Algorithm string          `yaml:"algorithm,omitempty"`
	// Signed is what is signed: {body}, {timestamp}, {id}, {method}, {url}.
	Signed    string        `yaml:"signed,omitempty"`
	Signature Signature     `yaml:"signature,omitempty"`
	Timestamp Stamp         `yaml:"timestamp,omitempty"`
	Tolerance time.Duration `yaml:"tolerance,omitempty"` // default 5m
	ID        string        `yaml:"id,omitempty"`        // header:X-Name or a path: the delivery's id

	Events    Events    `yaml:"events,omitempty"`
	Handshake Handshake `yaml:"handshake,omitempty"`
	Refuse    int       `yaml:"refuse_with,omitempty"` // status for what is not taken; default 401
	MaxBody   int       `yaml:"max_body,omitempty"`    // bytes; default and most 1 MiB
}

// Signature is where a signature stands and how it is written.
type Signature struct {
	Header   string `yaml:"header,omitempty"`
	Prefix   string `yaml:"prefix,omitempty"`   // "sha256="
	Key      string `yaml:"key,omitempty"`      // of a list "t=…,v1=…": v1
	Encoding string `yaml:"encoding,omitempty"` // hex, base64 (default), base64url
	// Wrapped id_colon means that the header is the base64 of "id:" and a signature.
	Wrapped string `yaml:"wrapped,omitempty"`
}

// Stamp is where the time of a signature stands.
type Stamp struct {
	Header string `yaml:"header,omitempty"`
	Key    string `yaml:"key,omitempty"`  // of a list in the signature's header: t
	Unit   string `yaml:"unit,omitempty"` // s (default), ms, rfc3339
}

// Events say which records a delivery is about.
type Events struct {
	Items   string            `yaml:"items,omitempty"`   // path of a list of events, or of the only one; default $
	Object  string            `yaml:"object,omitempty"`  // in an event: path of the vendor's word for the object
	Objects map[string]string `yaml:"objects,omitempty"` // that word to the object's name here
	Only    string            `yaml:"only,omitempty"`    // every event is about this object
	RecID   string            `yaml:"id,omitempty"`      // path of the record id
	Version string            `yaml:"version,omitempty"`
	Time    string            `yaml:"time,omitempty"`
	Type    string            `yaml:"type,omitempty"`
	Actor   string            `yaml:"actor,omitempty"` // path of who made the change, to compare with own_actor
	Own     string            `yaml:"own_actor,omitempty"`
	// Path is RE2 over what follows the secret in the URL; its groups object and type
	// are taken from it.
	Path string `yaml:"path,omitempty"`
	// Gone are the types that tell of an end: nothing newer can be read then. Erased
	// are those that tell of a person's right to be forgotten.
	Gone   []string `yaml:"gone,omitempty"`
	Erased []string `yaml:"erased,omitempty"`
}

// Handshake is how a subscription is confirmed.
type Handshake struct {
	Type  string `yaml:"type,omitempty"`  // query_echo or json_challenge
	Param string `yaml:"param,omitempty"` // the query key, or the path in the body
}
