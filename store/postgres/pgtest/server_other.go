//go:build !unix

package pgtest

import "context"

// Server can be started on Unix only.
type Server struct{}

// Start says that a running server has to be named.
func Start(context.Context) (*Server, error) { return nil, ErrNoServer }

// StartIn says that a running server has to be named.
func StartIn(context.Context, string) (*Server, error) { return nil, ErrNoServer }

func start(context.Context, string, bool) (*Server, error) { return nil, ErrNoServer }

// DSN is empty: there is no server.
func (*Server) DSN(string) string { return "" }

// CreateDatabase says that a running server has to be named.
func (*Server) CreateDatabase(context.Context, string) (string, error) { return "", ErrNoServer }

// Crash says that a running server has to be named.
func (*Server) Crash(context.Context) error { return ErrNoServer }

// Stop does nothing.
func (*Server) Stop() error { return nil }
