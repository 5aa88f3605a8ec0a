package reconciler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/lease"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/quota"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/snapshot"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/reconciler/internal/spool"
)

// slotMargin is how much longer a slot of the ERP is held for a process that has died than a page may take.
const slotMargin = 5 * time.Second

type records = record.Bucket[bridgev1.Reconciliation, *bridgev1.Reconciliation]

// service is what all runs of a process share.
type service struct {
	cfg      *Config
	options  Options
	sources  []*source.Source
	pipeline *pipeline.Pipeline
	records  *records
	pauses   *pause.Pauses
	redis    redis.UniversalClient
	shelf    *snapshot.Shelf
	clients  map[string]*erp.Client
	quotas   map[string]*quota.Quota
	logger   *slog.Logger
	metrics  *metrics
}

func open(ctx context.Context, env *app.Env, cfg *Config, o Options, sources []*source.Source) (*service, error) {
	redisx.LogTo(env.Logger)
	rdb, err := redisx.Client(cfg.Redis.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	s := &service{
		cfg: cfg, options: o, sources: sources, redis: rdb, logger: env.Logger,
		clients: map[string]*erp.Client{}, quotas: map[string]*quota.Quota{},
	}
	if err := s.connect(ctx, env); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *service) connect(ctx context.Context, env *app.Env) error {
	var errs [4]error
	s.metrics, errs[0] = newMetrics(env.Telemetry.Meter("reconciler"))
	if s.pipeline, errs[1] = pipeline.OpenReady(ctx, env, "reconciler", &s.cfg.NATS, s.sources); errs[1] == nil {
		s.records, errs[2] = record.Open[bridgev1.Reconciliation](ctx, s.pipeline.Bus.JetStream(), bus.BucketBridge)
		s.pauses, errs[3] = pause.Open(ctx, s.pipeline.Bus)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	s.shelf = &snapshot.Shelf{
		Bus: s.pipeline.Bus, Log: s.pipeline.Log, Snapshots: s.pipeline.Snapshots, Propagator: env.Telemetry.Propagator,
	}
	for _, src := range s.sources {
		s.clients[src.Name] = erp.New(src, erp.WithTracerProvider(env.Telemetry.TracerProvider))
		s.quotas[src.Name] = quota.New(s.redis, "source."+src.Name, quota.Limits{
			Rate: src.Rate, Concurrency: src.Concurrency, Lease: src.Timeout + slotMargin,
		}, env.Logger)
	}
	return nil
}

func (s *service) close() {
	if s.pipeline != nil {
		s.pipeline.Close()
	}
	_ = s.redis.Close() // Everything sent has been answered.
}

// reconcile runs once over the sources, all at the same time: one that is slow or away holds up no other.
func (s *service) reconcile(ctx context.Context, o Options) error {
	if err := s.chosen(o.Sources); err != nil {
		return failure(err)
	}
	// Asked before: a new epoch that begins meanwhile has to be compared on its own.
	due, epoch, err := s.pipeline.Log.ReconciliationDue(ctx)
	if err != nil {
		return failure(err)
	}
	errs := make([]error, len(s.sources))
	var group sync.WaitGroup
	for i, src := range s.sources {
		if len(o.Sources) > 0 && !slices.Contains(o.Sources, src.Name) {
			continue
		}
		group.Go(func() {
			if err := s.reconcileSource(ctx, src, o, due, epoch); err != nil {
				errs[i] = fmt.Errorf("source %s: %w", src.Name, err)
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return failure(errors.New("interrupted; the next run goes on"))
	}
	if due && !o.DryRun {
		if err := s.noteReconciled(ctx, epoch); err != nil {
			return failure(err)
		}
	}
	return verdict(errs)
}

// chosen makes sure that every source named is one.
func (s *service) chosen(names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(s.sources, func(src *source.Source) bool { return src.Name == name }) {
			return fmt.Errorf("source %q is none of SOURCES", name)
		}
	}
	return nil
}

// noteReconciled notes that a full comparison is due no more, once every source that can be listed has had it.
func (s *service) noteReconciled(ctx context.Context, epoch uint64) error {
	for _, src := range s.sources {
		entry, err := s.records.Get(ctx, recordKey(src.Name))
		if err != nil {
			return err
		}
		listed := src.Profile.Supports(profile.ListAll) || src.Profile.Supports(profile.ListChanged)
		if listed && entry.Value.GetFullEpoch() != epoch {
			return nil
		}
	}
	return s.pipeline.Log.Reconciled(ctx, epoch)
}

func recordKey(source string) string { return "reconcile." + source }

// reconcileSource runs once over one source, if nobody else does.
func (s *service) reconcileSource(ctx context.Context, src *source.Source, o Options, due bool, epoch uint64) error {
	r := &run{
		service: s, source: src, opts: o, client: s.clients[src.Name], quota: s.quotas[src.Name],
		logger: s.logger.With("source", src.Name), due: due, epoch: epoch,
	}
	r.progress = Progress{Source: src.Name, Began: time.Now()}
	err := r.lead(ctx)
	if r.progress.Failed > 0 && err == nil {
		err = ErrFailures
	}
	if errors.Is(err, lease.ErrTaken) {
		err = ErrBusy
	}
	r.ended(ctx, err)
	return err
}

// lead takes the lease and does the run. A dry run changes nothing, so it needs none.
func (r *run) lead(ctx context.Context) error {
	paused, err := r.pauses.Gate(ctx, pause.Source(r.source.Name), r.logger)
	if err != nil {
		return err
	}
	r.paused = paused
	if r.opts.DryRun {
		return r.within(ctx)
	}
	r.lease, err = lease.Open(ctx, r.pipeline.Bus.JetStream(), "reconciler."+r.source.Name, 0, r.logger)
	if err != nil {
		return err
	}
	return r.lease.Once(ctx, r.within)
}

// within does the run while it hears of an operator's pauses.
func (r *run) within(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	following, stop := context.WithCancel(ctx)
	group.Go(func() error { return r.paused.Follow(following) })
	group.Go(func() error { return r.tell(following) })
	group.Go(func() error {
		defer stop()
		return r.do(ctx)
	})
	return group.Wait()
}

// run is one run over one source.
type run struct {
	*service
	source *source.Source
	opts   Options
	client *erp.Client
	quota  *quota.Quota
	paused *pause.Gate
	lease  *lease.Lease
	logger *slog.Logger
	// epoch is that of the log; due: it asks for a full comparison.
	epoch uint64
	due   bool
	mode  Mode
	// tells: customers hear of contracts that were read, since no list of customers follows.
	tells bool
	// gone are the keys that the listing calls gone.
	gone *spool.List

	mu       sync.Mutex
	progress Progress
	told     time.Time
}

// do does the run.
func (r *run) do(ctx context.Context) error {
	stored, err := r.records.Get(ctx, recordKey(r.source.Name))
	if err != nil {
		return err
	}
	began := time.Now()
	since := r.choose(stored.Value)
	r.logger.InfoContext(ctx, "reconciliation begins", "mode", string(r.mode), "dry_run", r.opts.DryRun, "since", since.UTC().Format(time.RFC3339))
	switch r.mode {
	case Full:
		err = r.full(ctx)
	case Changed:
		err = r.changed(ctx, since)
	case Reread:
		err = r.reread(ctx)
	}
	if err != nil || r.opts.DryRun {
		return err
	}
	return r.advance(ctx, stored, began, since)
}

// choose decides on the mode and, for a list of changes, on its beginning.
func (r *run) choose(stored *bridgev1.Reconciliation) (since time.Time) {
	p := r.source.Profile
	all, changes := p.Supports(profile.ListAll), p.Supports(profile.ListChanged)
	since = r.opts.Since
	given := !since.IsZero()
	// What the log has lost may be older than the cursor.
	everything := r.opts.Full || r.due && stored.GetFullEpoch() != r.epoch
	if !given && stored.GetChangedSince() != nil {
		since = stored.GetChangedSince().AsTime().Add(-r.cfg.Overlap)
	}
	switch {
	case all && !given && (everything || stored.GetChangedSince() == nil),
		all && !changes:
		r.mode = Full
	case changes:
		r.mode = Changed
		if since.IsZero() || everything && !given {
			since = time.Unix(0, 0) // Whatever has ever changed is everything.
		}
	default:
		r.mode = Reread
	}
	return since
}

// advance moves the cursor. The log has everything that this run has found.
func (r *run) advance(ctx context.Context, stored record.Entry[bridgev1.Reconciliation, *bridgev1.Reconciliation], began, since time.Time) error {
	if !r.lease.Held() {
		return lease.ErrLost
	}
	next, cursor := stored.Value, timestamppb.New(began)
	switch r.mode {
	case Full:
		next.FullAt, next.FullEpoch, next.ChangedSince = timestamppb.New(began), r.epoch, cursor
	case Changed:
		// What lies between the cursor and a later --since is still to be listed.
		if next.GetChangedSince() == nil && r.opts.Since.IsZero() || next.GetChangedSince() != nil && !since.After(next.GetChangedSince().AsTime()) {
			next.ChangedSince = cursor
		}
		if since.Unix() == 0 && !r.source.Profile.Supports(profile.ListAll) {
			next.FullAt, next.FullEpoch = timestamppb.New(began), r.epoch
		}
	}
	next.EndedAt = timestamppb.Now()
	_, err := r.records.Put(ctx, recordKey(r.source.Name), next, stored.Revision)
	if errors.Is(err, record.ErrConflict) {
		return lease.ErrLost
	}
	failpoint.Hit("reconciler.cursor.moved")
	return err
}

// full compares everything.
func (r *run) full(ctx context.Context) error {
	r.tells = !r.source.Profile.Supports(profile.ListAllCustomers)
	whole := true
	for _, op := range []profile.Operation{profile.ListAll, profile.ListAllCustomers} {
		l, ok := r.source.Profile.Listing(op)
		if !ok {
			continue
		}
		if err := r.compare(ctx, op); err != nil {
			return err
		}
		whole = whole && l.Whole
	}
	if whole {
		return nil
	}
	// Ids alone do not show what has changed.
	return r.reread(ctx)
}

// changed compares what the ERP says has changed. Customers come first, so that most contracts are listed by theirs already.
func (r *run) changed(ctx context.Context, since time.Time) error {
	r.tells = true
	for _, op := range []profile.Operation{profile.ListChangedCustomers, profile.ListChanged} {
		if !r.source.Profile.Supports(op) {
			continue
		}
		if err := r.differences(ctx, op, since); err != nil {
			return err
		}
	}
	return nil
}
