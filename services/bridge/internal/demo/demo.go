package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/stack"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
)

// Options size the demo.
type Options struct {
	// Contracts is the number of contracts in the burst, Changes how often each of them changes, Senders how many
	// webhooks are under way at once.
	Contracts, Changes, Senders int
	// Quiet and MaxWait are the periods of the windows.
	Quiet, MaxWait time.Duration
	// Pace is the time between two changes of the one contract, so that a person can follow.
	Pace time.Duration
	// LogWriter and LogLevel are the stack's.
	LogWriter io.Writer
	LogLevel  slog.Level
}

// Validate says which figures make no burst.
func (o *Options) Validate() error {
	switch {
	case o.Contracts < 1 || o.Contracts > 20_000:
		return fmt.Errorf("%d contracts: must be between 1 and 20000", o.Contracts)
	case o.Changes < 1 || o.Changes > 1000:
		return fmt.Errorf("%d changes for each contract: must be between 1 and 1000", o.Changes)
	case o.Senders < 1 || o.Senders > 1000:
		return fmt.Errorf("%d senders: must be between 1 and 1000", o.Senders)
	case o.Quiet <= o.Pace:
		return fmt.Errorf("quiet period %s: must be longer than the %s between two changes of one contract", o.Quiet, o.Pace)
	case o.MaxWait <= o.Quiet:
		return fmt.Errorf("max wait %s: must be longer than the quiet period of %s", o.MaxWait, o.Quiet)
	case o.Pace <= 0:
		return fmt.Errorf("pace %s: must be positive", o.Pace)
	}
	return nil
}

// spare contracts are generated besides those of the burst, since the one contract's customer stays out of it.
const spare = 10

var errEnded = errors.New("a service has ended")

// Run runs the demo, shows what it does, and returns what it has measured. An error means that there is nothing to judge.
func Run(ctx context.Context, screen *terminal.Screen, o Options) (report *Report, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	began := time.Now()
	screen.Status("starting …")
	s, err := stack.Start(ctx, stack.Options{
		QuietPeriod: o.Quiet, MaxWait: o.MaxWait, Contracts: o.Contracts + spare, LogWriter: o.LogWriter, LogLevel: o.LogLevel,
	})
	screen.Status("")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	screen.Printf("%s\n", screen.Dim(fmt.Sprintf("NATS, Redis, four services, a simulated Powercloud and a simulated Enneo run in this process; "+
		"started in %s", seconds(time.Since(began)))))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	defer close(watched)
	go func() {
		select {
		case <-s.Ended():
			cancel(errEnded) // Stop says which one, and why.
		case <-watched:
		}
	}()
	r, err := newRun(ctx, screen, s, &o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return r.all(ctx)
}

// run is one demo on its way.
type run struct {
	*watcher
	options *Options
	close   func()
	// single is the one contract; the others are the keys of the groups.
	single                               simclient.Contract
	ones, customer, contracts, customers []simclient.Ref
}

func newRun(ctx context.Context, screen *terminal.Screen, s *stack.Stack, o *Options) (*run, error) {
	logger := slog.New(slog.DiscardHandler)
	b, err := s.Connect(ctx, "demo", logger)
	if err != nil {
		return nil, err
	}
	sim := simclient.New(s.SimulatorURL(), nil)
	sender := newSender(sim, s.WebhookURL(), o.Senders)
	r := &run{options: o, close: func() { sender.close(); b.Close() }}
	r.watcher = &watcher{screen: screen, sim: sim, js: b.JetStream(), sender: sender}
	if r.log, err = eventlog.Open(ctx, b, logger); err == nil {
		r.ledger, err = ledger.Open(ctx, b)
	}
	if err == nil {
		err = r.choose(ctx)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// choose takes the first contract for itself and the contracts of other customers for the burst.
func (r *run) choose(ctx context.Context) error {
	ids, err := r.sim.IDs(ctx, key.Contract, 0, 0)
	if err != nil {
		return fmt.Errorf("list the simulated contracts: %w", err)
	}
	known := map[string]bool{}
	for i, id := range ids {
		contract, err := r.sim.Contract(ctx, id)
		if err != nil {
			return fmt.Errorf("look at a simulated contract: %w", err)
		}
		ref, customer := simclient.Ref{Kind: key.Contract, ID: id}, simclient.Ref{Kind: key.Customer, ID: contract.CustomerID}
		switch {
		case i == 0:
			r.single, r.ones, r.customer = contract, []simclient.Ref{ref}, []simclient.Ref{customer}
		case contract.CustomerID != r.single.CustomerID && len(r.contracts) < r.options.Contracts:
			r.contracts = append(r.contracts, ref)
			if !known[customer.ID] {
				known[customer.ID] = true
				r.customers = append(r.customers, customer)
			}
		}
	}
	if len(r.contracts) < r.options.Contracts {
		return fmt.Errorf("the simulator has only %d contracts for the burst", len(r.contracts))
	}
	return nil
}

func (r *run) all(ctx context.Context) (*Report, error) {
	o := r.options
	r.screen.Printf("\n%s\n", r.screen.Bold(fmt.Sprintf("1  One contract, %s", plural(len(statuses), "status change"))))
	base, err := r.one(ctx)
	if err != nil {
		return nil, err
	}
	r.screen.Printf("\n%s\n", r.screen.Bold(fmt.Sprintf("2  %s, %s each, interleaved, %s at once: %s",
		plural(o.Contracts, "contract"), plural(o.Changes, "change"), plural(o.Senders, "sender"), plural(o.Contracts*o.Changes, "webhook"))))
	last, err := r.while(ctx, &base, o.Quiet+silenceMargin, func(ctx context.Context) error {
		ids := make([]string, len(r.contracts))
		for i, ref := range r.contracts {
			ids[i] = ref.ID
		}
		return r.sender.burst(ctx, interleave(ids, o.Changes), o.Senders)
	})
	if err != nil {
		return nil, err
	}
	r.screen.Printf("\n%s\n", r.screen.Bold("3  What it cost"))
	return r.report(ctx, &last)
}

// one takes the one contract through its statuses.
func (r *run) one(ctx context.Context) (figures, error) {
	title := r.single.StatusTitle
	return r.while(ctx, &figures{}, 0, func(ctx context.Context) error {
		pace := time.NewTicker(r.options.Pace)
		defer pace.Stop()
		for i, status := range statuses {
			if i > 0 {
				select {
				case <-pace.C:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := r.sender.change(ctx, r.single.ID, status); err != nil {
				return err
			}
			changed, err := r.sim.Contract(ctx, r.single.ID)
			if err != nil {
				return fmt.Errorf("look at a simulated contract: %w", err)
			}
			r.screen.Printf("   %s  %s %s\n", r.single.ID, changed.StatusTitle, r.screen.Dim("(was: "+title+")"))
			title = changed.StatusTitle
		}
		return nil
	})
}

// while sends, and shows the figures since base until all of it is settled.
func (r *run) while(ctx context.Context, base *figures, silence time.Duration, send func(context.Context) error) (last figures, err error) {
	sent := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(sent)
		return send(ctx)
	})
	group.Go(func() error {
		last, err = r.settled(ctx, base, sent, silence)
		return err
	})
	err = group.Wait()
	if cause := context.Cause(ctx); err != nil && errors.Is(err, context.Canceled) && cause != nil {
		err = cause
	}
	return last, err
}

// report counts what the simulated systems were asked and compares their end states.
func (r *run) report(ctx context.Context, last *figures) (*Report, error) {
	costs, err := readCosts(ctx, r.sim)
	if err != nil {
		return nil, fmt.Errorf("read the simulator's journal: %w", err)
	}
	report := &Report{
		Quiet: r.options.Quiet, MaxWait: r.options.MaxWait, Sent: last.posted, Accepted: last.accepted, Balance: last.balance,
		Single:         costs.group("one contract", r.ones),
		SingleCustomer: costs.group("its customer", r.customer),
		Burst:          costs.group(plural(len(r.contracts), "contract"), r.contracts),
		BurstCustomers: costs.group("their customers", r.customers),
	}
	report.Stray = costs.stray()
	for group, refs := range map[*Group][]simclient.Ref{&report.Single: r.ones, &report.Burst: r.contracts} {
		group.addSending(refs, r.sender.sent)
		group.Delays = costs.delays(refs, r.sender.sent)
	}
	single, err := r.sim.Contract(ctx, r.single.ID)
	if err != nil {
		return nil, fmt.Errorf("look at a simulated contract: %w", err)
	}
	report.WantStatus = single.StatusID
	if report.GotStatus, err = enneoStatus(ctx, r.sim, r.single.ID); err != nil {
		return nil, err
	}
	if report.Compared, err = r.sim.Compare(ctx, simclient.CompareQuery{System: simclient.Powercloud}); err != nil {
		return nil, fmt.Errorf("compare the end states: %w", err)
	}
	summary, err := r.sim.Summary(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the simulator: %w", err)
	}
	report.Overlaps, report.Regressions = summary.Overlaps, summary.Regressions
	return report, nil
}
