package lab

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"syncd/simulator/odoosim"
)

// canary is in every value of the private row: no line of a log may show it.
const canary = "canary-"

// secrets are what no line of a log may show (I14).
var secrets = []string{canary, clientSecret, installKey, crmToken, odoosim.DefaultAPIKey}

// logger keeps an eye on what flows log: bugs of their own, and secrets.
func (w *world) logger() *slog.Logger { return slog.New(&watcher{w: w}) }

type watcher struct {
	w    *world
	with []slog.Attr
}

func (h *watcher) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h *watcher) WithGroup(string) slog.Handler                { return h }
func (h *watcher) WithAttrs(with []slog.Attr) slog.Handler {
	return &watcher{h.w, append(h.with[:len(h.with):len(h.with)], with...)}
}

// Handle notes what was logged; panics and secrets are violations.
func (h *watcher) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	h.look(r.Message, r.Message)
	each := func(a slog.Attr) bool {
		h.look(r.Message, fmt.Sprintf("%s=%+v", a.Key, a.Value))
		switch a.Key {
		case "event", "record", "reason", "outcome", "wrote", "fields", "error", "panic":
			line += fmt.Sprintf(" %s=%.300v", a.Key, a.Value)
		case "stack":
			h.w.s.note("   %s", a.Value)
		}
		return true
	}
	for _, a := range h.with {
		each(a)
	}
	r.Attrs(each)
	name := "main"
	if t := h.w.s.current; t != nil {
		name = t.name
	}
	h.w.s.note("%s log %s", name, line)
	if r.Message == "panic in a batch" || r.Message == "panic while deciding" || r.Message == "panic in a connector" {
		h.w.violate("panic", "", "%s", line)
	}
	return nil
}

// look is I14.
func (h *watcher) look(message, text string) {
	h.w.stats.Logged++
	text = strings.ToLower(text)
	for _, s := range secrets {
		if strings.Contains(text, strings.ToLower(s)) {
			h.w.violate("I14", "", "the log line %q shows %q", message, s)
		}
	}
}
