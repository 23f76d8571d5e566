package ratelimit

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// Limits of the default transport.
const (
	dialTimeout        = 10 * time.Second
	keepAlive          = 30 * time.Second
	handshakeTimeout   = 10 * time.Second
	idleTimeout        = 90 * time.Second
	headerTimeout      = 60 * time.Second // the longest a vendor may think; wire bounds the whole call
	maxIdlePerHost     = 16
	maxResponseHeaders = 64 << 10 // bytes (SECURITY S19)
)

// NewTransport is the default Base: TLS 1.2 or later, always verified
// (SECURITY S10), HTTP/1.1 only, so that one call is one exchange on one
// connection, and the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name.
// Answers may be compressed.
func NewTransport() *http.Transport {
	h1 := new(http.Protocols)
	h1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxResponseHeaderBytes: maxResponseHeaders,
		Protocols:              h1,
	}
}
