package bench

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/contest"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/logfill"
)

func TestOnlyNamesTheBenchmarksToRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want []string // nil: refused
	}{
		{nil, []string{"arm", "ingest", "windows", "flow", "lookup", "import"}},
		{[]string{"-only", ""}, []string{"arm", "ingest", "windows", "flow", "lookup", "import"}},
		{[]string{"-only", "flow,arm"}, []string{"flow", "arm"}},
		{[]string{"-only", "disarm"}, nil},
		{[]string{"-rounds", "0"}, nil},
		{[]string{"-scale", "0"}, nil},
		{[]string{"-scale", "11"}, nil},
		{[]string{"arm"}, nil},
		{[]string{"-fast"}, nil},
	} {
		_, selected, err := parse(test.args, io.Discard)
		if (err != nil) != (test.want == nil) {
			t.Errorf("%v: got error %v", test.args, err)
			continue
		}
		var got []string
		for _, b := range selected {
			got = append(got, b.name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.args, diff)
		}
	}
}

// came is a ticket that arrived after the window of its key was due.
func came(t *testing.T, k key.Key, first time.Time, collapsed uint64, at time.Time) arrival {
	t.Helper()
	msg, err := ticket.Encode(t.Context(), propagation.TraceContext{}, bus.StageEnrich, ticket.Ticket{
		Key: k, Position: position.Position{Epoch: 1, Sequence: 1}, Collapsed: collapsed, FirstEventAt: first,
	}, at)
	if err != nil {
		t.Fatal(err)
	}
	return arrival{at: at, msg: msg}
}

func TestLatenessCountsFromDueAndFromTheAcknowledgement(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	k := logfill.Key(steadySource, 0)
	stored := map[string]time.Time{k.String(): first.Add(-3 * time.Millisecond)}
	at := first.Add(steadyQuiet + 5*time.Millisecond)
	got, err := late([]arrival{came(t, k, first, 1, at)}, stored)
	if err != nil {
		t.Fatal(err)
	}
	if got.flush[0] != 5*time.Millisecond || got.whole[0] != 8*time.Millisecond {
		t.Errorf("got %v and %v, want 5ms after due and 8ms after acknowledgement and quiet period", got.flush[0], got.whole[0])
	}
	if _, err := late([]arrival{came(t, k, first, 2, at)}, stored); err == nil {
		t.Error("a ticket of two events was taken for one of one")
	}
	if _, err := late([]arrival{came(t, logfill.Key(steadySource, 1), first, 1, at)}, stored); err == nil {
		t.Error("a ticket of a key without an event was counted")
	}
	if _, err := late([]arrival{{at: at, msg: &nats.Msg{Subject: "elsewhere"}}}, stored); err == nil {
		t.Error("a message that is no ticket was counted")
	}
}

func TestArmTableComparesWithTheFirst(t *testing.T) {
	t.Parallel()
	outcome := func(rate float64) []contest.Outcome {
		return []contest.Outcome{{Rate: rate, CPU: map[string]time.Duration{procClient: time.Second}, Peak: map[string]int64{procRedis: 1 << 20}}}
	}
	text := armTable([]contest.Result{{Name: "ours", Outcomes: outcome(50_000)}, {Name: "peer", Outcomes: outcome(10_000)}}, 1000, "No node.").Text()
	for _, want := range []string{"1.00×", "5.00×", "50,000", "1.00 s", "1.0 MiB", "No node."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestTheFloorStoresABodyBeforeItAnswers(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	output, announced := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- floorIngest(t.Context(), []string{"-nats", server.URL()}, announced) }()
	line := make([]byte, 200)
	n, err := output.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(line[:n]), `"addr":"`)
	addr, _, _ := strings.Cut(rest, `"`)
	response, err := http.Post("http://"+addr, "application/json", strings.NewReader("a body"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		t.Fatalf("got %s, want 202", response.Status)
	}
	stream, err := server.Connect(t).JetStream().Stream(t.Context(), floorStream)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), 1)
	if err != nil || !bytes.Equal(msg.Data, []byte("a body")) {
		t.Errorf("got %v, %v, want the body", msg, err)
	}
}

func TestAWebhookIsACompleteRequest(t *testing.T) {
	t.Parallel()
	all := webhooks("127.0.0.1:1")
	head, body, ok := strings.Cut(string(all[7]), "\r\n\r\n")
	if !ok || !strings.Contains(head, "X-Webhook-Secret: "+ingestSecret) || !strings.Contains(body, logfill.Key(armSource, 7).ID) {
		t.Errorf("got %s", all[7])
	}
}
