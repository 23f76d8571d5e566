package odoo

import (
	"net"
	"strings"
	"time"
)

// Window is one limit on requests: at most Max in each Per.
type Window struct {
	Name string
	Max  int
	Per  time.Duration
}

// onlineDomain is where Odoo hosts databases itself.
const onlineDomain = "odoo.com"

// ownConcurrency is how many calls at once an Odoo of one's own is given.
const ownConcurrency = 4

// Windows gives the limits to keep on a host: one call a second on Odoo Online,
// by the advice of its staff, none elsewhere, where Concurrency is the brake
// (vendors/odoo.md 12).
func Windows(host string) []Window {
	if online(host) {
		return []Window{{Name: "second", Max: 1, Per: time.Second}}
	}
	return nil
}

// Concurrency gives how many calls may be under way at once (vendors/odoo.md 12).
func Concurrency(host string) int {
	if online(host) {
		return 1
	}
	return ownConcurrency
}

// online tells whether Odoo hosts this one.
func online(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host == onlineDomain || strings.HasSuffix(host, "."+onlineDomain)
}
