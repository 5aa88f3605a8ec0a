package ingestor

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// patience is far beyond what any step takes; it only ends a test that would hang.
const patience = 30 * time.Second

// service is an ingestor that runs as it does in production, apart from its ports.
type service struct {
	url, admin string
	stop       context.CancelFunc
	ended      chan error
	log        *buffer
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// environment is a configuration with two sources of the generic profile, acme and other, and one of testdata/hooks.yaml,
// none of which authenticates.
func environment(natsURL string, changes map[string]string) map[string]string {
	env := map[string]string{
		"NATS_URL": natsURL, "LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "LOG_LEVEL": "debug",
		"SOURCES":             "acme,other,hooks",
		"SOURCE_ACME_PROFILE": "generic", "SOURCE_ACME_WEBHOOK_AUTH": "none",
		"SOURCE_OTHER_PROFILE": "generic", "SOURCE_OTHER_WEBHOOK_AUTH": "none",
		"SOURCE_HOOKS_PROFILE": "testdata/hooks.yaml", "SOURCE_HOOKS_WEBHOOK_AUTH": "none",
	}
	maps.Copy(env, changes)
	return env
}

// begin starts the service and does not wait for the log. The service must end without an error.
func begin(t testing.TB, env map[string]string, run app.RunFunc) *service {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &service{stop: stop, ended: make(chan error, 1), log: &buffer{}}
	listeners := make(chan [2]string, 2)
	go func() {
		s.ended <- app.Run(ctx, "ingestor", config.Map(env), s.log, func(_, name string, addr net.Addr) {
			listeners <- [2]string{name, "http://" + addr.String()}
		}, run)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-s.ended; err != nil {
			t.Errorf("the service ended with: %v", err)
		}
	})
	for s.url == "" || s.admin == "" {
		select {
		case l := <-listeners:
			if l[0] == app.AdminListener {
				s.admin = l[1]
			} else {
				s.url = l[1]
			}
		case err := <-s.ended:
			s.ended <- nil // for the clean-up
			t.Fatalf("the service did not start: %v", err)
		case <-time.After(patience):
			t.Fatal("the service did not listen in time")
		}
	}
	return s
}

// start starts a NATS server and the service, and waits until the log takes events.
func start(t testing.TB, changes map[string]string) (*service, *bustest.Server) {
	t.Helper()
	server := bustest.Start(t)
	s := begin(t, environment(server.URL(), changes), Run)
	s.accepting(t)
	return s, server
}

// accepting waits until the log takes events. An empty array tells nothing, so it has no other effect.
func (s *service) accepting(t testing.TB) {
	t.Helper()
	bustest.Eventually(t, "the log takes events", func() bool {
		return s.post(t, "/webhooks/acme", "application/json", "[]").status == http.StatusAccepted
	})
}

// answer is an HTTP answer that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) receipt(t testing.TB) receipt {
	t.Helper()
	var r receipt
	if a.status != http.StatusAccepted {
		t.Fatalf("answered %d %s, want 202", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &r); err != nil {
		t.Fatalf("read the answer %s: %v", a.body, err)
	}
	return r
}

// problem is an RFC 9457 problem as a sender reads it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (a answer) problem(t testing.TB) problem {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("the answer %d has the content type %q, want application/problem+json", a.status, got)
	}
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("read the problem %s: %v", a.body, err)
	}
	return p
}

// post sends a request with the headers given as names and values in turn.
func (s *service) post(t testing.TB, path, contentType, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return send(t, req)
}

func send(t testing.TB, req *http.Request) answer {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", req.Method, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: strings.TrimSpace(string(body))}
}

// logged is an event as it stands in the log.
type logged struct {
	Key    string
	ID     string
	MsgID  string
	Type   string
	Origin bridgev1.Origin
	Change string
	raw    *jetstream.RawStreamMsg
}

// calm is a context for calls of the JetStream API, which gives up after two seconds unless a deadline says otherwise.
func calm(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// events reads the whole log.
func events(t testing.TB, b *bus.Bus) []logged {
	t.Helper()
	stream, err := b.JetStream().Stream(calm(t), bus.StreamEvents)
	if err != nil {
		t.Fatalf("open the log: %v", err)
	}
	state := stream.CachedInfo().State
	var all []logged
	for seq := max(1, state.FirstSeq); seq <= state.LastSeq; seq++ {
		msg, err := stream.GetMsg(calm(t), seq)
		if err != nil {
			t.Fatalf("read event %d: %v", seq, err)
		}
		all = append(all, readLogged(t, msg))
	}
	return all
}

func readLogged(t testing.TB, msg *jetstream.RawStreamMsg) logged {
	t.Helper()
	k, err := bus.StageDebounce.KeyOf(msg.Subject)
	if err != nil {
		t.Fatalf("the log has the subject %q: %v", msg.Subject, err)
	}
	ev, err := ce.Decode(msg.Header, msg.Data)
	if err != nil {
		t.Fatalf("event %d: %v", msg.Sequence, err)
	}
	var change bridgev1.Change
	if err := ce.UnmarshalData(ev.Data(), &change); err != nil {
		t.Fatalf("event %d: %v", msg.Sequence, err)
	}
	named := key.Key{Source: change.GetKey().GetSource(), Kind: key.Kind(change.GetKey().GetKind()), ID: change.GetKey().GetId()}
	if named != k {
		t.Errorf("event %d names %v in its data and %v in its subject", msg.Sequence, named, k)
	}
	return logged{
		Key: string(k.Kind) + " " + k.ID, ID: ev.ID(), MsgID: msg.Header.Get(jetstream.MsgIDHeader), Type: ev.Type(),
		Origin: change.GetOrigin(), Change: change.GetChangeType(), raw: msg,
	}
}

// told finds the events of a receipt in the log, in the receipt's order.
func (r receipt) told(t testing.TB, b *bus.Bus) []logged {
	t.Helper()
	byID := map[string]logged{}
	for _, ev := range events(t, b) {
		byID[ev.ID] = ev
	}
	found := make([]logged, 0, len(r.IDs))
	for _, id := range r.IDs {
		ev, ok := byID[id]
		if !ok {
			t.Fatalf("the log does not hold the event %s of the receipt", id)
		}
		found = append(found, ev)
	}
	return found
}

func keysOf(events []logged) []string {
	keys := make([]string, 0, len(events))
	for _, ev := range events {
		keys = append(keys, ev.Key)
	}
	return keys
}
