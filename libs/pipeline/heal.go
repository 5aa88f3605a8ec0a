package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// healInterval is how often it is looked whether streams and consumers are there.
const healInterval = 5 * time.Second

// check tells whether NATS answers and has all streams; for readiness.
func (p *Pipeline) check(ctx context.Context) error {
	if err := p.Bus.Check(ctx); err != nil {
		return err
	}
	missing, err := p.Bus.Missing(ctx, nil)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("NATS has lost %s, made again within %s; what they held has to come from a backup or from the ERP (docs/operations.md)",
			strings.Join(missing, ", "), healInterval)
	}
	return nil
}

// heal makes streams and consumers again that are missing, until ctx ends. Every service does so at its start; without this
// a server that came back with an empty disk would stay empty until somebody restarts a service. That the log is another one
// is noticed as always, so every key is open again and a full comparison is due.
func (p *Pipeline) heal(ctx context.Context) error {
	ticker := time.NewTicker(healInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		missing, err := p.Bus.Missing(ctx, p.sources)
		if err != nil || len(missing) == 0 {
			continue // That NATS is away is said by others.
		}
		p.logger.ErrorContext(ctx, "streams or consumers are missing and are made again; what they held has to come from a backup or from the ERP",
			"missing", strings.Join(missing, ","))
		if err := p.Bus.Ensure(ctx, p.sources); err != nil {
			continue // It repeats until ctx ends.
		}
		if err := p.Log.Verify(ctx); err != nil && ctx.Err() == nil {
			p.logger.WarnContext(ctx, "cannot compare the new log with what is known", "error", err.Error())
		}
	}
}
