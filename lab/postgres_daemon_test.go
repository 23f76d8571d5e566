package lab

import (
	"context"
	"time"

	"syncd/store"
)

// What the daemon asks of the store at its start and for commands, told the time.

func (x *timely) KeepColumns(ctx context.Context, columns []store.LinkColumn) error {
	return x.told(func() error { return x.db.KeepColumns(ctx, columns) })
}

func (x *timely) Columns(ctx context.Context) ([]store.LinkColumn, error) {
	return gives(x, func() ([]store.LinkColumn, error) { return x.db.Columns(ctx) })
}

func (x *timely) Describe(ctx context.Context, ds []store.Description) error {
	return x.told(func() error { return x.db.Describe(ctx, ds) })
}

func (x *timely) Described(ctx context.Context) ([]store.Description, error) {
	return gives(x, func() ([]store.Description, error) { return x.db.Described(ctx) })
}

func (x *timely) PutInForce(ctx context.Context, f store.InForce) (bool, error) {
	return gives(x, func() (bool, error) { return x.db.PutInForce(ctx, f) })
}

func (x *timely) Definitions(ctx context.Context) ([]store.Definition, error) {
	return gives(x, func() ([]store.Definition, error) { return x.db.Definitions(ctx) })
}

func (x *timely) WakeSuspended(ctx context.Context, link string, rows, systems []string, lane store.Lane, cause string) (int, error) {
	return gives(x, func() (int, error) { return x.db.WakeSuspended(ctx, link, rows, systems, lane, cause) })
}

func (x *timely) Beat(ctx context.Context, r store.Replica) error {
	return x.told(func() error { return x.db.Beat(ctx, r) })
}

func (x *timely) Replicas(ctx context.Context, within time.Duration) ([]store.Replica, error) {
	return gives(x, func() ([]store.Replica, error) { return x.db.Replicas(ctx, within) })
}

func (x *timely) NewRun(ctx context.Context, r store.Run) (int64, error) {
	return gives(x, func() (int64, error) { return x.db.NewRun(ctx, r) })
}

func (x *timely) AddRunRows(ctx context.Context, run int64, rows []store.RunRow) error {
	return x.told(func() error { return x.db.AddRunRows(ctx, run, rows) })
}

func (x *timely) EndRun(ctx context.Context, r store.Run) error {
	return x.told(func() error { return x.db.EndRun(ctx, r) })
}

func (x *timely) Runs(ctx context.Context, id int64, state string, limit int) ([]store.Run, error) {
	return gives(x, func() ([]store.Run, error) { return x.db.Runs(ctx, id, state, limit) })
}

func (x *timely) EnqueueRun(ctx context.Context, run int64, limit int, lane store.Lane, cause string) (int, error) {
	return gives(x, func() (int, error) { return x.db.EnqueueRun(ctx, run, limit, lane, cause) })
}

func (x *timely) Identities(ctx context.Context, link, after string, limit int) ([]*store.Identity, error) {
	return gives(x, func() ([]*store.Identity, error) { return x.db.Identities(ctx, link, after, limit) })
}

func (x *timely) Audit(ctx context.Context, lines ...store.Audit) error {
	return x.told(func() error { return x.db.Audit(ctx, lines...) })
}

func (x *timely) Audits(ctx context.Context, limit int) ([]store.Audit, error) {
	return gives(x, func() ([]store.Audit, error) { return x.db.Audits(ctx, limit) })
}

func (x *timely) LinkMode(ctx context.Context, link, mode string) (string, error) {
	return gives(x, func() (string, error) { return x.db.LinkMode(ctx, link, mode) })
}

func (x *timely) SetLinkMode(ctx context.Context, link, mode string, lines ...store.Audit) error {
	return x.told(func() error { return x.db.SetLinkMode(ctx, link, mode, lines...) })
}

func (x *timely) Prune(ctx context.Context, ages store.Ages, most int) (store.Pruned, error) {
	return gives(x, func() (store.Pruned, error) { return x.db.Prune(ctx, ages, most) })
}

func (x *timely) SettleErased(ctx context.Context, system, object, recordID string, order store.EraseOrder) (bool, error) {
	return gives(x, func() (bool, error) { return x.db.SettleErased(ctx, system, object, recordID, order) })
}

func (x *timely) Certificates(ctx context.Context, limit int) ([]store.Certificate, error) {
	return gives(x, func() ([]store.Certificate, error) { return x.db.Certificates(ctx, limit) })
}
