package e2e_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"syncd/demo"
)

// demoTime is how long somebody who tries syncd may be kept waiting.
const demoTime = 30 * time.Second

// TestDemoTellsATrueStory: every claim of the demo holds, and soon.
func TestDemoTellsATrueStory(t *testing.T) {
	var out bytes.Buffer
	began := time.Now()
	if err := demo.Run(context.Background(), demo.Options{Out: &out, Logger: slog.New(slog.DiscardHandler), Once: true, Dir: t.TempDir()}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if took := time.Since(began); took > demoTime {
		t.Errorf("the story took %s", took)
	}
}
