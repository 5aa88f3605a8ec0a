package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// planted is put by the test itself where it searches.
var planted = canary.Secret("planted")

// quiet checks that nothing but what was planted is found in something that a service says, and no id.
func quiet(t *testing.T, what string, text []byte) {
	t.Helper()
	if !bytes.Contains(text, []byte(planted)) {
		t.Errorf("what was planted is not found in %s: the search is wrong", what)
	}
	clean(t, what, bytes.ReplaceAll(text, []byte(planted), nil))
	if at := bytes.Index(text, []byte(idMark)); at >= 0 {
		t.Errorf("%s holds an id: %s", what, around(text, at))
	}
}

// clean checks that neither personal data nor secrets are found.
func clean(t *testing.T, what string, text []byte) {
	t.Helper()
	for _, found := range canary.Find(text) {
		t.Errorf("%s holds %s: %s", what, found, around(text, bytes.Index(text, []byte(found.Text))))
	}
}

// around is what stands around a place, quoted.
func around(text []byte, at int) string {
	return strconv.Quote(string(text[max(0, at-200):min(len(text), at+100)]))
}

// printed is all that the processes of a name have printed.
func (w *world) printed(name string) []byte {
	w.t.Helper()
	var all []byte
	files, err := filepath.Glob(filepath.Join(w.Logs, name+"*.log"))
	must(w.t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(w.t, err)
		all = append(all, text...)
	}
	if len(all) == 0 {
		w.t.Errorf("the log of %s is empty: the search is wrong", name)
	}
	return all
}

// metrics are what each service shows at its admin port.
func (w *world) metrics(services map[string]*rig.Process) map[string][]byte {
	w.t.Helper()
	all := map[string][]byte{}
	for name, p := range services {
		admin, err := p.Listener(w.t.Context(), "admin")
		must(w.t, err)
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, admin+"/metrics", nil)
		must(w.t, err)
		resp, err := http.DefaultClient.Do(req)
		must(w.t, err)
		text, err := io.ReadAll(resp.Body)
		must(w.t, errors.Join(err, resp.Body.Close()))
		all[name] = text
	}
	return all
}

// recordRedis lets Redis write down everything that it is told from now on, also what it forgets later; the result reads it.
func (w *world) recordRedis() (all func() []byte) {
	w.t.Helper()
	ctx := w.t.Context()
	folder, err := w.Redis.Client.ConfigGet(ctx, "dir").Result()
	must(w.t, err)
	// Without the preamble it consists of commands, not of compressed values.
	for _, set := range [][2]string{{"aof-use-rdb-preamble", "no"}, {"appendfsync", "always"}, {"appendonly", "yes"}} {
		must(w.t, w.Redis.Client.ConfigSet(ctx, set[0], set[1]).Err())
	}
	must(w.t, w.Redis.Client.Set(ctx, "planted", planted, 0).Err())
	must(w.t, w.Redis.Client.Del(ctx, "planted").Err())
	return func() []byte {
		w.t.Helper()
		text := contents(w.t, filepath.Join(folder["dir"], "appendonlydir"))
		for _, there := range []string{planted, "debounce:{", idMark} {
			if !bytes.Contains(text, []byte(there)) {
				w.t.Errorf("%s is not found in what Redis was told: the search is wrong", there)
			}
		}
		return bytes.ReplaceAll(text, []byte(planted), nil)
	}
}

// store are the bytes of the files of each stream of NATS, and "" of all other files of the server.
func (w *world) store() map[string][]byte {
	w.t.Helper()
	streams := filepath.Dir(w.NATS.EventsDir())
	all := map[string][]byte{}
	entries, err := os.ReadDir(streams)
	must(w.t, err)
	for _, entry := range entries {
		all[entry.Name()] = contents(w.t, filepath.Join(streams, entry.Name()))
	}
	return all
}

// contents are the bytes of all files below a folder.
func contents(t *testing.T, folder string) []byte {
	t.Helper()
	var all []byte
	must(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Servers replace their files.
		}
		all = append(all, text...)
		return err
	}))
	return all
}

// onlyKnownPlacesHoldData checks the table of docs/security.md for the store of NATS: the snapshots hold the present owner and
// none before, and the dead letters what was sent by people without an id.
func (w *world) onlyKnownPlacesHoldData() {
	w.t.Helper()
	for stream, text := range w.store() {
		switch stream {
		case bus.KVStream(bus.BucketContracts):
			for _, value := range canary.NewPerson(lastOwner).Told() {
				if !bytes.Contains(text, []byte(value)) {
					w.t.Errorf("%q of the present owner is not found in the snapshots: the search is wrong", value)
				}
				text = bytes.ReplaceAll(text, []byte(value), nil)
			}
			clean(w.t, "the snapshots, besides the present owner,", bytes.ReplaceAll(text, []byte("@"+canary.Marker+".example"), nil))
		case bus.StreamDead:
			if len(canary.Find(text)) == 0 {
				w.t.Error("nothing of the bodies that name nobody is found in the dead letters: the search is wrong")
			}
		default:
			clean(w.t, stream, text)
		}
	}
}

// collector is an OTLP receiver that keeps the spans of each service.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	url string

	mu       sync.Mutex
	received map[string][]byte
}

// collect starts a collector.
func collect(t *testing.T) *collector {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	c, server := &collector{url: "http://" + listener.Addr().String(), received: map[string][]byte{}}, grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("collector: %v", err)
		}
	})
	return c
}

// Export implements collectorpb.TraceServiceServer.
func (c *collector) Export(_ context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, spans := range r.GetResourceSpans() {
		// Texts stand in the bytes as they are.
		text, err := proto.Marshal(spans)
		if err != nil {
			return nil, err
		}
		for _, a := range spans.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.received[a.GetValue().GetStringValue()] = slices.Concat(c.received[a.GetValue().GetStringValue()], text)
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// of are the spans of a service.
func (c *collector) of(service string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received[service]
}
