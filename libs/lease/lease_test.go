package lease

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, js jetstream.JetStream, length time.Duration) *Lease {
	t.Helper()
	l, err := Open(t.Context(), js, "test", length, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// running is a Lease whose Run is under way.
type running struct {
	lease  *Lease
	leads  chan context.Context // each context that lead gets
	result chan error
	stop   context.CancelFunc
}

// run runs the lease with a lead that waits for the end of its context.
func run(t *testing.T, l *Lease) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{lease: l, leads: make(chan context.Context, 8), result: make(chan error, 1), stop: stop}
	go func() {
		r.result <- l.Run(ctx, func(ctx context.Context) error {
			r.leads <- ctx
			<-ctx.Done()
			return nil
		})
	}()
	t.Cleanup(stop)
	return r
}

// leading waits until the lease is held.
func (r *running) leading(t *testing.T) context.Context {
	t.Helper()
	select {
	case ctx := <-r.leads:
		return ctx
	case <-time.After(time.Minute):
		t.Fatal("no lease within a minute")
		return nil
	}
}

func TestOneHolderAtATimeAndAStoppedOneGivesItBack(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	const length = time.Hour // Nobody waits for the end of such a lease.
	first := open(t, b.JetStream(), length)
	a := run(t, first)
	a.leading(t)
	second := open(t, b.JetStream(), length)
	if _, err := second.try(t.Context()); !errors.Is(err, ErrTaken) {
		t.Errorf("a second holder got %v, want %v", err, ErrTaken)
	}
	if !first.Held() || second.Held() {
		t.Errorf("held by the first %t and the second %t, want only the first", first.Held(), second.Held())
	}
	a.stop()
	if err := <-a.result; err != nil {
		t.Errorf("Run: %v", err)
	}
	if first.Held() {
		t.Error("a stopped process holds the lease")
	}
	run(t, second).leading(t)
}

// TestManyReplicasNeverOverlap: each stops again and again, the overlaps of their work are counted.
func TestManyReplicasNeverOverlap(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var working, overlaps, turns atomic.Int32
	done := errors.New("turn is over")
	var group sync.WaitGroup
	for range 4 {
		l := open(t, b.JetStream(), 2*time.Second)
		group.Go(func() {
			for ctx.Err() == nil && turns.Load() < 40 {
				err := l.Run(ctx, func(context.Context) error {
					if working.Add(1) != 1 {
						overlaps.Add(1)
					}
					turns.Add(1)
					working.Add(-1)
					return done
				})
				if !errors.Is(err, done) && ctx.Err() == nil {
					t.Errorf("Run: %v, want what lead returned", err)
				}
			}
		})
	}
	group.Wait()
	if overlaps.Load() != 0 || turns.Load() < 40 {
		t.Errorf("%d overlaps in %d turns", overlaps.Load(), turns.Load())
	}
}

func TestARenewedLeaseOutlivesItsLength(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b.JetStream(), 2*time.Second)
	r := run(t, l)
	ctx := r.leading(t)
	stored := func() uint64 {
		e, err := l.bucket.Get(t.Context(), l.name)
		if err != nil {
			t.Fatal(err)
		}
		return e.Revision
	}
	first := stored()
	// Each renewal is one revision, and three are one length.
	bustest.Eventually(t, "many renewals", func() bool { return stored() >= first+7 })
	if ctx.Err() != nil || !l.Held() {
		t.Error("the lease was lost while it was renewed")
	}
}

// TestTheContextEndsBeforeTheLease: NATS is away, so nothing is renewed.
func TestTheContextEndsBeforeTheLease(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	b := server.Connect(t)
	l := open(t, b.JetStream(), 10*time.Second)
	r := run(t, l)
	ctx := r.leading(t)
	server.Stop(t)
	until := l.until.Load()
	<-ctx.Done()
	// This process counts a tenth less than the lease has, from before its last record was sent.
	if ended := time.Since(l.start); ended > time.Duration(until)+l.length/10 {
		t.Errorf("the context ended %s after the start, the lease at %s", ended, time.Duration(until)+l.length/10)
	}
	if l.Held() {
		t.Error("the lease is held beyond its end")
	}
	if cause := context.Cause(ctx); !errors.Is(cause, ErrLost) {
		t.Errorf("cause %v, want %v", cause, ErrLost)
	}
	server.Run(t)
	r.leading(t)
}

// TestTheClocksOfReplicasDoNotMatter: what another replica wrote is judged by the server's clock alone.
func TestTheClocksOfReplicasDoNotMatter(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	dead := open(t, b.JetStream(), 500*time.Millisecond)
	if _, err := dead.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	entry, err := dead.bucket.Get(t.Context(), dead.name)
	if err != nil {
		t.Fatal(err)
	}
	next := open(t, b.JetStream(), time.Hour)
	run(t, next).leading(t)
	taken, err := dead.bucket.Get(t.Context(), dead.name)
	if err != nil {
		t.Fatal(err)
	}
	if held := taken.StoredAt.Sub(entry.StoredAt); held < 500*time.Millisecond {
		t.Errorf("taken over after %s by the server's clock, the lease was 500ms", held)
	}
	if dead.Held() {
		t.Error("the dead holder believes in its lease beyond its end")
	}
}

// TestHolderWhoseRecordWasTakenStops: whatever wrote there, the record says who leads.
func TestHolderWhoseRecordWasTakenStops(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b.JetStream(), 2*time.Second)
	ctx := run(t, l).leading(t)
	thief := open(t, b.JetStream(), time.Hour)
	bustest.Eventually(t, "the record is taken between two renewals", func() bool {
		entry, err := thief.bucket.Get(t.Context(), thief.name)
		if err != nil {
			t.Fatal(err)
		}
		return thief.write(t.Context(), entry) == nil
	})
	<-ctx.Done()
	if l.Held() {
		t.Error("the robbed holder believes in its lease")
	}
	entry, err := thief.bucket.Get(t.Context(), thief.name)
	if err != nil || entry.Value.GetHolder() != thief.holder {
		t.Errorf("the robbed holder has removed the record of its successor: %v, %v", entry.Value, err)
	}
}

// The environment of the process that TestAProcessPausedBeyondItsLeaseDoesNotHoldIt stops and continues.
const (
	urlVariable = "LEASE_TEST_NATS_URL"
	askVariable = "LEASE_TEST_HOLDER"
)

// TestHolderProcess is not a test of its own: it is the process of TestAProcessPausedBeyondItsLeaseDoesNotHoldIt. For each
// line that it reads it says whether it holds the lease.
func TestHolderProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(askVariable) == "" {
		return
	}
	conn, err := nats.Connect(os.Getenv(urlVariable))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, js, time.Second)
	r := run(t, l)
	r.leading(t)
	fmt.Fprintln(os.Stdout, "holder leads")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Fprintf(os.Stdout, "holder held=%t\n", l.Held())
	}
}

func TestAProcessPausedBeyondItsLeaseDoesNotHoldIt(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	b := server.Connect(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHolderProcess$", "-test.v")
	cmd.Env = append(os.Environ(), urlVariable+"="+server.URL(), askVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	says := func() string {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "holder "); ok {
				return text
			}
		}
		t.Fatalf("the holder has ended: %v", lines.Err())
		return ""
	}
	if got := says(); got != "leads" {
		t.Fatalf("the holder says %q", got)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the holder has not stopped: %v, %v", status, err)
	}
	// What it is asked first, once it runs again, stands in its pipe already.
	if _, err := fmt.Fprintln(stdin, "held?"); err != nil {
		t.Fatal(err)
	}
	successor := open(t, b.JetStream(), time.Hour)
	run(t, successor).leading(t)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if got := says(); got != "held=false" {
		t.Errorf("the paused process says %q, its lease was taken over", got)
	}
	if !successor.Held() {
		t.Error("the successor does not hold the lease")
	}
	entry, err := successor.bucket.Get(t.Context(), successor.name)
	if err != nil || entry.Value.GetHolder() != successor.holder {
		t.Errorf("the paused process has changed the record: %v, %v", entry.Value, err)
	}
}
