package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"syncd/connectors"
)

// Types of Auth.
const (
	authBearer = "bearer"
	authBasic  = "basic"
	authHeader = "header"
	authQuery  = "query"
	authOAuth2 = "oauth2"
	authNone   = "none"
)

// auth checks who we say that we are.
func (f *faults) auth(set Settings) {
	a := set.Auth
	missing := func(key, what string, empty bool) {
		if empty {
			f.add("auth."+key, "is required: %s", what)
		}
	}
	switch a.Type {
	case "":
		f.add("auth.type", "is required: bearer, basic, header, query, oauth2, or none")
	case authBearer:
		missing("token", "the access token, as {env: NAME} or {file: path}", a.Token.Empty())
	case authBasic:
		missing("user", "the login", a.User == "")
		missing("password", "its password, as {env: NAME} or {file: path}", a.Password.Empty())
	case authHeader, authQuery:
		missing("name", "of the header or query key that carries the credential", a.Name == "")
		missing("token", "the credential, as {env: NAME} or {file: path}", a.Token.Empty())
		if a.Type == authHeader && a.Name != "" && (!headerName.MatchString(a.Name) || strings.EqualFold(a.Name, "Idempotency-Key") || strings.EqualFold(a.Name, "X-Idempotency-Key")) {
			f.add("auth.name", "%q is no header for a credential", a.Name)
		}
	case authOAuth2:
		missing("client_id", "of the client credentials", a.ClientID == "")
		missing("client_secret", "as {env: NAME} or {file: path}", a.ClientSecret.Empty())
		u, err := url.Parse(a.TokenURL)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !set.InsecureHTTP && !loopback(u.Hostname())) {
			f.add("auth.token_url", "is required: the https URL at which client id and secret give a token")
		}
		f.oneOf("auth.style", a.Style, "", "header", "body")
	case authNone:
	case "digest", "oauth1", "hawk", "ntlm", "aws", "session", "jwt", "hmac", "cookie":
		f.add("auth.type", "%q is not to be had by configuration: it needs a connector of its own", a.Type)
	default:
		f.oneOf("auth.type", a.Type, authBearer, authBasic, authHeader, authQuery, authOAuth2, authNone)
	}
}

// authorizer puts the credential on a call. An error means that nothing was sent.
type authorizer interface {
	authorize(ctx context.Context, h http.Header, q url.Values) error
	// refused is told that the vendor took the credential for dead.
	refused()
}

func newAuthorizer(s *spec, hc *http.Client, now func() time.Time) authorizer {
	a := s.set.Auth
	if a.Type != authOAuth2 {
		return fixed{a}
	}
	style := oauth2.AuthStyleInHeader
	if a.Style == "body" {
		style = oauth2.AuthStyleInParams
	}
	return &granted{conf: clientcredentials.Config{
		ClientID: a.ClientID, ClientSecret: a.ClientSecret.Reveal(), TokenURL: a.TokenURL, Scopes: a.Scopes, AuthStyle: style,
	}, hc: hc, now: now}
}

// fixed is a credential that does not change.
type fixed struct{ Auth }

func (a fixed) authorize(_ context.Context, h http.Header, q url.Values) error {
	switch a.Type {
	case authBearer:
		h.Set("Authorization", "Bearer "+a.Token.Reveal())
	case authBasic:
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.User+":"+a.Password.Reveal())))
	case authHeader:
		h.Set(a.Name, a.Prefix+a.Token.Reveal())
	case authQuery:
		q.Set(a.Name, a.Token.Reveal())
	}
	return nil
}

func (a fixed) refused() {}

// granted is a token that client credentials are exchanged for (RFC 6749 4.4). It
// is asked for before a call and not beneath it, so that its failure is proof that
// the call never left.
type granted struct {
	conf clientcredentials.Config
	hc   *http.Client
	now  func() time.Time

	mu    sync.Mutex
	token *oauth2.Token
}

// early is how long before its end a token is given up.
const early = 30 * time.Second

func (g *granted) authorize(ctx context.Context, h http.Header, _ url.Values) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token == nil || !g.token.Expiry.IsZero() && g.now().After(g.token.Expiry.Add(-early)) {
		t, err := g.conf.Token(context.WithValue(ctx, oauth2.HTTPClient, g.hc))
		if err != nil {
			return err
		}
		if t.AccessToken == "" || strings.ContainsAny(t.AccessToken, "\r\n") {
			return errNoToken
		}
		g.token = t
	}
	h.Set("Authorization", "Bearer "+g.token.AccessToken)
	return nil
}

// errNoToken says that the token endpoint answered without a token.
var errNoToken = errors.New("the token endpoint gave no token")

// refused drops the token: the next call asks for a new one.
func (g *granted) refused() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token = nil
}

// grantKind says what a failed exchange means.
func grantKind(err error) connectors.Kind {
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) || e.Response == nil {
		return connectors.KindTransient
	}
	switch status := e.Response.StatusCode; {
	case status == http.StatusTooManyRequests:
		return connectors.KindThrottled
	case status >= 500 || status == http.StatusRequestTimeout:
		return connectors.KindTransient
	}
	return connectors.KindAuth
}
