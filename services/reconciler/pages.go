package reconciler

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

const (
	// Pauses between the tries of what fails.
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second
	// backlogPause is the time between two looks at the backlog.
	backlogPause = 250 * time.Millisecond
)

var (
	// errNoProgress ends a listing that would never end.
	errNoProgress = errors.New("the ERP gave a page that it had given before: its paging does not go on; check next, limit and offset in the profile")
	// errEpoch ends a run whose positions mean nothing any more.
	errEpoch = errors.New("the log began a new epoch meanwhile; the next run compares with that")
)

// pages calls visit with each page of a listing, and with what was known of the log before it.
func (r *run) pages(ctx context.Context, op profile.Operation, since time.Time, visit func(ctx context.Context, items []item, h *horizon) error) error {
	l, _ := r.source.Profile.Listing(op)
	args := profile.Args{"limit": strconv.Itoa(r.cfg.PageSize)}
	if !since.IsZero() {
		args["since"] = since.UTC().Format(time.RFC3339)
	}
	var (
		h     *horizon
		cycle cycle
	)
	r.begin(l.Kind)
	for listed := 0; ; {
		if err := r.await(ctx); err != nil {
			return err
		}
		if h == nil || l.LivePages {
			began, err := r.horizon(ctx)
			if err != nil {
				return err
			}
			h = began
		}
		page, err := r.fetch(ctx, op, args)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		failpoint.Hit("reconciler.page.read")
		items := r.items(ctx, page)
		if err := visit(ctx, items, h); err != nil {
			return err
		}
		listed += page.Rows
		r.listed(listed, page.Total)
		switch {
		case page.Next != "":
			args["cursor"] = page.Next
		case l.Offset && page.Rows > 0:
			args["offset"] = strconv.Itoa(listed)
		default:
			return nil
		}
		if cycle.closes(page.Next, items) {
			return errNoProgress
		}
	}
}

// cycle finds out, in constant memory, that pages repeat (Brent's algorithm): each is compared with one before it, which is
// replaced after 1, 2, 4 … pages.
type cycle struct {
	kept        [sha256.Size]byte
	steps, most int
}

// closes tells whether this page was there before: by its cursor or, if there is none, by what it lists.
func (c *cycle) closes(next string, items []item) bool {
	text := next
	if next == "" {
		var b strings.Builder
		for _, it := range items {
			b.WriteString(it.key.String() + " ")
		}
		text = b.String()
	}
	page := sha256.Sum256([]byte(text))
	if c.most > 0 && page == c.kept {
		return true
	}
	if c.steps == c.most {
		c.kept, c.most, c.steps = page, max(1, 2*c.most), 0
	}
	c.steps++
	return false
}

// horizon looks at the end of the log, which must be in the epoch of the run.
func (r *run) horizon(ctx context.Context) (*horizon, error) {
	h := &horizon{}
	err := r.persist(ctx, "nats", func() (err error) {
		if h.stored, err = r.shelf.Snapshots.Now(ctx); err != nil {
			return err
		}
		h.end, err = r.shelf.Log.End(ctx)
		return err
	})
	h.at = time.Now()
	if err == nil && h.end.Epoch != r.epoch {
		err = errEpoch
	}
	return h, err
}

// fetch asks for one page until the ERP gives it, or has failed for longer than patience.
func (r *run) fetch(ctx context.Context, op profile.Operation, args profile.Args) (profile.Page, error) {
	var page profile.Page
	err := r.persist(ctx, "the erp", func() error {
		release, err := r.leave(ctx)
		if err != nil {
			return err
		}
		defer release()
		r.tally(func(t *Tally) { t.Pages++ })
		began := time.Now()
		page, err = r.client.List(ctx, op, args)
		f := fault.Of(err)
		r.metrics.page(ctx, r.source.Name, op, f, time.Since(began))
		if f == nil {
			return nil
		}
		if f.Scope == fault.Target {
			r.quota.Hold(ctx, f.RetryAfter)
		}
		return f
	})
	return page, err
}

// leave waits until the limits of the ERP allow a request.
func (r *run) leave(ctx context.Context) (release func(), err error) {
	for {
		release, wait := r.quota.Take(ctx)
		if release != nil {
			return release, nil
		}
		if err := rest(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// persist repeats call until it succeeds, fails for good, or has failed for longer than patience.
func (r *run) persist(ctx context.Context, what string, call func() error) error {
	began, wait := time.Now(), firstPause
	for failed := false; ; failed = true {
		err := call()
		f, isFault := errors.AsType[*fault.Fault](err)
		switch {
		case err == nil:
			if failed {
				r.waits("")
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isFault && f.Permanent, time.Since(began) > r.cfg.Patience:
			return err
		}
		longer := wait
		if isFault {
			longer = max(wait, f.RetryAfter)
		}
		r.waits(what)
		r.logger.WarnContext(ctx, "trying again", "wait", longer.String(), "error", err.Error())
		if err := rest(ctx, longer); err != nil {
			return err
		}
		wait = min(2*wait, maxPause)
	}
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// await waits until an operator's pause has ended and live changes have gone first.
func (r *run) await(ctx context.Context) error {
	if r.paused.Paused() {
		r.waits("an operator, who has paused the source")
	}
	leave, err := r.paused.Enter(ctx)
	if err != nil {
		return err
	}
	leave()
	for {
		waiting := 0
		err := r.persist(ctx, "nats", func() (err error) {
			waiting, err = r.backlog(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if waiting <= r.cfg.Backlog {
			r.waits("")
			return nil
		}
		r.waits("the tickets that wait")
		if err := rest(ctx, backlogPause); err != nil {
			return err
		}
	}
}

// backlog is how many tickets of the source wait or are being worked on.
func (r *run) backlog(ctx context.Context) (int, error) {
	sum := 0
	for _, stage := range []bus.Stage{bus.StageEnrich, bus.StagePublish} {
		consumer, err := r.pipeline.Bus.Consumer(ctx, stage, r.source.Name)
		if err != nil {
			return 0, err
		}
		info := consumer.CachedInfo()
		sum += int(info.NumPending) + info.NumAckPending
	}
	return sum, nil
}

// items puts a page into keys. What the page shows as a whole counts more than an id alone.
func (r *run) items(ctx context.Context, page profile.Page) []item {
	if len(page.Invalid) > 0 {
		r.tally(func(t *Tally) { t.Seen += len(page.Invalid); t.Failed += len(page.Invalid) })
		r.logger.WarnContext(ctx, "a page holds what is no contract or customer", "problems", strings.Join(page.Invalid, "; "))
	}
	items := make([]item, 0, len(page.Items)+len(page.ContractIDs)+len(page.CustomerIDs))
	whole := map[key.Key]bool{}
	for _, shown := range page.Items {
		it := item{
			key: key.Key{Source: r.source.Name, Kind: shown.Kind, ID: shown.ID}, whole: true,
			removed: shown.Removed, mapped: shown.Mapped, err: shown.Err,
		}
		if it.err == nil && !it.removed && !it.mapped.Gone {
			it.body, it.err = enneo.Canonical(shown.Mapped.Body)
		}
		whole[it.key] = true
		items = append(items, it)
	}
	for kind, ids := range map[key.Kind][]string{key.Contract: page.ContractIDs, key.Customer: page.CustomerIDs} {
		for _, id := range ids {
			if k := (key.Key{Source: r.source.Name, Kind: kind, ID: id}); !whole[k] {
				items = append(items, item{key: k})
			}
		}
	}
	return items
}
