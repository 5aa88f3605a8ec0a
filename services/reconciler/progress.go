package reconciler

import (
	"context"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// reportEvery is the time between two reports, unless what is waited for changes.
const reportEvery = 200 * time.Millisecond

// logEvery is the time between two lines about the progress in the log.
const logEvery = 10 * time.Second

// report changes the progress under the lock and tells it now and then.
func (r *run) report(now bool, change func(p *Progress)) {
	r.mu.Lock()
	change(&r.progress)
	told := now || time.Since(r.told) >= reportEvery
	if told {
		r.told = time.Now()
	}
	p := r.progress
	r.mu.Unlock()
	if told && r.opts.Report != nil {
		r.opts.Report(p)
	}
}

func (r *run) tally(change func(t *Tally)) {
	r.report(false, func(p *Progress) { change(&p.Tally) })
}

// begin says what is listed from now on; an empty kind means what is read again.
func (r *run) begin(kind key.Kind) {
	r.report(true, func(p *Progress) { p.Mode, p.Kind, p.Listed, p.Total = r.mode, kind, 0, 0 })
}

func (r *run) listed(n, total int) {
	r.report(false, func(p *Progress) { p.Listed, p.Total = n, max(total, p.Total) })
}

// waits says what the run waits for, empty for nothing.
func (r *run) waits(what string) {
	r.mu.Lock()
	same := r.progress.Waiting == what
	r.mu.Unlock()
	if !same {
		r.report(true, func(p *Progress) { p.Waiting = what })
	}
}

// tell logs how far the run has come until ctx ends, for whoever reads the log of a CronJob.
func (r *run) tell(ctx context.Context) error {
	ticker := time.NewTicker(logEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		r.mu.Lock()
		p := r.progress
		r.mu.Unlock()
		r.logger.InfoContext(ctx, "reconciliation goes on", "mode", string(p.Mode), "kind", string(p.Kind), "listed", p.Listed, "total", p.Total,
			"seen", p.Seen, "pages", p.Pages, "waiting_for", p.Waiting)
	}
}

// ended says how the run has ended.
func (r *run) ended(ctx context.Context, err error) {
	r.report(true, func(p *Progress) { p.Mode, p.Waiting, p.Ended, p.Err = r.mode, "", true, err })
	took := time.Since(r.progress.Began)
	r.metrics.run(ctx, r.source.Name, r.mode, err, took)
	t := r.progress.Tally
	r.logger.InfoContext(ctx, "reconciliation has ended", "mode", string(r.mode), "dry_run", r.opts.DryRun, "well", err == nil,
		"took", took.Round(time.Millisecond).String(), "seen", t.Seen, "new", t.New, "changed", t.Changed, "unchanged", t.Unchanged,
		"gone", t.Gone, "newer_event", t.Live, "failed", t.Failed, "pages", t.Pages)
}
