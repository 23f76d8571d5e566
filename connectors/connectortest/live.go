package connectortest

import (
	"context"
	"time"

	"syncd/connectors/sandbox"
)

// liveLaws runs those laws that can be tried on a live sandbox, so that a verdict
// there means what it means here.
func liveLaws(l *law) {
	report := sandbox.Run(l.ctx, sandbox.Subject{
		Conn: l.c, Object: l.Object, Make: func(int) map[string]string { return l.values() }, Edit: l.Text2, Custom: l.customFields(), Run: l.name,
		Now: time.Now,
		Wait: func(ctx context.Context, _ time.Duration) error {
			if l.Settle != nil {
				l.Settle()
			}
			return ctx.Err()
		},
	})
	for _, f := range report.Findings {
		if f.Verdict == sandbox.Broken {
			l.Errorf("%s: %s", f.Law, f.Detail)
		}
	}
	for _, id := range report.Left {
		if len(l.shape.Removes) > 0 {
			l.Errorf("the scratch record %s was left behind", id)
		}
	}
}
