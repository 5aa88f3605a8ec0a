package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/services/bench/internal/child"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/contest"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/load"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/logfill"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/report"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/servers"
)

const (
	ingestConnections = 64
	ingestWarmUp      = time.Second
	ingestMeasure     = 5 * time.Second
	ingestSecret      = "bench-webhook-secret" //nolint:gosec // guards nothing
	// floorSubject is where the floor publishes.
	floorStream, floorSubject = "FLOOR", "floor.body"
)

// ingest measures webhooks until their durable acknowledgement, with and without a sync before it.
func ingest(ctx context.Context, r *run) ([]*report.Table, error) {
	var tables []*report.Table
	for _, sync := range []bool{false, true} {
		t, err := ingestWith(ctx, r, sync)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

func ingestWith(ctx context.Context, r *run, sync bool) (_ *report.Table, err error) {
	server, err := r.startNATS(ctx, sync)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	contestants := []contest.Contestant{
		{Name: "ingestor", Run: func(ctx context.Context, round int) (contest.Outcome, error) {
			p, err := r.start(ctx, "ingestor", map[string]string{
				"NATS_URL": server.URL, "SOURCES": armSource,
				"SOURCE_BENCH_PROFILE": "powercloud", "SOURCE_BENCH_WEBHOOK_SECRET": ingestSecret,
			})
			if err != nil {
				return contest.Outcome{}, err
			}
			return r.post(ctx, p, server, fmt.Sprintf("ingest-ingestor-sync-%t-%d", sync, round+1))
		}},
		{Name: "floor: publish the body, await the ack", Run: func(ctx context.Context, _ int) (contest.Outcome, error) {
			self, err := os.Executable()
			if err != nil {
				return contest.Outcome{}, fmt.Errorf("find this program: %w", err)
			}
			p, err := child.Start(ctx, self, []string{floorCommand, "-nats", server.URL}, nil)
			if err != nil {
				return contest.Outcome{}, err
			}
			return r.post(ctx, p, server, "")
		}},
	}
	results, err := contest.Run(ctx, r.rounds, contestants, func(text string) { r.progress("%s", text) })
	if err != nil {
		return nil, err
	}
	return ingestTable(results, sync), nil
}

func ingestTable(results []contest.Result, sync bool) *report.Table {
	when := "synced every 2 minutes (the server's default)"
	if sync {
		when = "synced before each acknowledgement (sync_interval: always)"
	}
	t := &report.Table{
		Title:  fmt.Sprintf("ingest: webhooks per second until the durable acknowledgement, %d connections; log %s", ingestConnections, when),
		Header: []string{"contestant", "webhooks/s", "spread", "ingestor / it", "p50", "p99", "CPU µs/webhook", "CPU NATS µs/webhook", "peak"},
		Notes:  []string{"Medians of the rates and of the CPU time; latencies of all rounds. The load generator runs on the same machine."},
	}
	ours, _ := results[0].Rate()
	for i := range results {
		result := &results[i]
		rate, spread := result.Rate()
		each := func(process string) string {
			micros := float64(result.CPU(process).Microseconds())
			return fmt.Sprintf("%.0f", micros/(rate*ingestMeasure.Seconds()))
		}
		t.Row(result.Name, report.Count(rate), "±"+report.Percent(spread), report.Percent(ours/rate),
			report.Milliseconds(result.Latency(0.5)), report.Milliseconds(result.Latency(0.99)),
			each(procClient), each(procNATS), report.MiB(result.Peak(procClient)))
	}
	return t
}

// post sends webhooks to a process and stops it.
func (r *run) post(ctx context.Context, p *child.Process, server *servers.NATS, profile string) (outcome contest.Outcome, err error) {
	defer func() { err = errors.Join(err, p.Stop()) }()
	addr, err := p.Address(ctx, "http")
	if err != nil {
		return outcome, err
	}
	o := load.Options{
		Addr: addr, Requests: webhooks(addr), Connections: ingestConnections,
		WarmUp: ingestWarmUp, Measure: ingestMeasure, Status: http.StatusAccepted,
	}
	// The ingestor listens before it has found the log, to answer 503 itself.
	err = p.Await(ctx, "first webhook", func(ctx context.Context) error {
		first := o
		first.Connections, first.WarmUp, first.Measure = 1, 0, time.Millisecond
		_, err := load.Run(ctx, first, nil)
		return err
	})
	if err != nil {
		return outcome, err
	}
	profiled := func() error { return nil }
	var m *meter
	result, err := load.Run(ctx, o, func(begins bool) {
		if begins {
			m = startMeter(map[string]int{procClient: p.PID(), procNATS: server.PID()})
			if profile != "" {
				profiled = r.takeProfile(ctx, p, profile, profileSeconds)
			}
			return
		}
		m.stop(&outcome)
	})
	if err != nil {
		return outcome, err
	}
	outcome.Rate, outcome.Latencies = result.Rate, result.Latencies
	return outcome, profiled()
}

// webhooks are complete requests as an ERP sends them, each about another contract.
func webhooks(addr string) [][]byte {
	requests := make([][]byte, armKeys)
	for i := range requests {
		body := fmt.Sprintf(`{"event":"contract.status.changed","contractId":"%s","timestamp":"2026-11-24T08:15:00Z",`+
			`"data":{"statusId":5000,"previousStatusId":3000,"note":"supplier change confirmed by the grid operator"}}`,
			logfill.Key(armSource, i).ID)
		requests[i] = fmt.Appendf(nil, "POST /webhooks/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
			"X-Webhook-Secret: %s\r\nContent-Length: %d\r\n\r\n%s", armSource, addr, ingestSecret, len(body), body)
	}
	return requests
}

// floorIngest is the smallest handler that stores a body durably before it answers 202. It announces its address as our
// services do.
func floorIngest(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet(floorCommand, flag.ContinueOnError)
	flags.SetOutput(stderr)
	url := flags.String("nats", nats.DefaultURL, "address of the nats-server")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	conn, err := nats.Connect(*url)
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: floorStream, Subjects: []string{floorSubject}, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
	})
	if err != nil {
		return fmt.Errorf("create the stream: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = js.Publish(r.Context(), floorSubject, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if _, err := fmt.Fprintf(stderr, `{"msg":"listening","listener":"http","addr":"%s"}`+"\n", listener.Addr()); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
