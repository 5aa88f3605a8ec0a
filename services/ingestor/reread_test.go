package ingestor

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// TestAMendedProfileReadsUnrecognisedBodiesAgain: what it finds goes through the log and out of the box, what it does not find stays.
func TestAMendedProfileReadsUnrecognisedBodiesAgain(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "erp")
	log, err := eventlog.Open(t.Context(), b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	box := deadletter.Open(b)
	put := func(body, ref string) {
		t.Helper()
		if err := box.PutBody(t.Context(), "erp", "application/json", []byte(body), "no_identifier", "none was found", ref); err != nil {
			t.Fatal(err)
		}
	}
	put(`{"contractId":"VN-1"}`, "generic@0-000000000000")
	put(`{"contractIds":["VN-2","VN-3"]}`, "") // As an older version has stored it.
	put(`{"nothing":"of ours"}`, "generic@0-000000000000")
	put(`{"contractId":"VN-4"}`, p.Ref()) // The same profile would not find another thing.

	r := newRereader(log, box, propagation.TraceContext{}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	src := &source.Source{Name: "erp", Profile: p}
	r.look(t.Context(), src)

	if n := messages(t, b, bus.StreamEvents); n != 3 {
		t.Errorf("the log has %d events, want those of VN-1, VN-2 and VN-3", n)
	}
	var left []string
	err = box.Each(t.Context(), deadletter.Filter{}, func(l deadletter.Letter) error {
		left = append(left, string(l.Value.GetBody()))
		return nil
	})
	if err != nil || len(left) != 2 || left[0] != `{"nothing":"of ours"}` || left[1] != `{"contractId":"VN-4"}` {
		t.Errorf("left: %q, %v; want what is still not recognised, and what this profile has read already", left, err)
	}
	r.look(t.Context(), src)
	if n := messages(t, b, bus.StreamEvents); n != 3 {
		t.Errorf("the log has %d events after a second look, want 3", n)
	}
	// A replica with the profile of before still runs.
	put(`{"contractId":"VN-5"}`, "generic@0-000000000000")
	r.look(t.Context(), src)
	if n := messages(t, b, bus.StreamEvents); n != 4 {
		t.Errorf("the log has %d events after a body came that the profile of before did not recognise, want 4", n)
	}
}

func messages(t *testing.T, b *bus.Bus, stream string) uint64 {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

// TestWhatIsReadAgainIsWhatTheRequestWouldMakeNow: with the mended profile, what was kept makes the same events, with the same ids.
func TestWhatIsReadAgainIsWhatTheRequestWouldMakeNow(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "before.yaml")
	before := strings.NewReplacer("/contractId, /contracts/*/id, /data/contractId", "/elsewhere", "/customerId", "/elsewhere", "cloudevent:\n  subject_kind: contract\n", "").Replace(string(text))
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(path string) *source.Source {
		t.Helper()
		p, err := profile.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return &source.Source{Name: "hooks", Profile: p}
	}
	old, mended, now := load(file), load("testdata/hooks.yaml"), time.Unix(1_800_000_000, 0)
	structured := `{"specversion":"1.0","id":"/contractId","source":"/a b","type":"t","data":{"contractId":"4711"}}`
	binary := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}, "Content-Type": {typeJSON}}
	bySubject := binary.Clone()
	bySubject.Set("Ce-Subject", "M%C3%BCller")
	for name, tc := range map[string]struct {
		header http.Header
		body   string
		events bool
	}{
		"an object":                             {header: http.Header{"Content-Type": {typeJSON}}, body: `{"contractId":"4711","eventId":"e1","type":"moved"}`},
		"an array":                              {header: http.Header{"Content-Type": {typeJSON}}, body: `[{"contractId":1}, {"customerId":"2"}]`},
		"a form":                                {header: http.Header{"Content-Type": {typeForm}}, body: `data=%7B%22contractId%22%3A%22F2%22%7D`},
		"an event sent as a webhook":            {header: http.Header{"Content-Type": {mediaEvent}}, body: structured},
		"events sent as a webhook":              {header: http.Header{"Content-Type": {mediaBatch}}, body: "[" + structured + "]"},
		"a structured event":                    {header: http.Header{"Content-Type": {mediaEvent}}, body: structured, events: true},
		"a batch":                               {header: http.Header{"Content-Type": {mediaBatch}}, body: "[" + structured + "," + strings.ReplaceAll(structured, "4711", "4712") + "]", events: true},
		"a binary event":                        {header: binary, body: ` { "customerId" : 12345678901234567890 } `, events: true},
		"a binary event with nothing but words": {header: bySubject, events: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell := func(src *source.Source) told {
				t.Helper()
				if tc.events {
					events, err := eventsOf(tc.header, []byte(tc.body), 10)
					if err != nil {
						t.Fatal(err)
					}
					found, err := readEvents(src, events, now)
					if err != nil {
						t.Fatal(err)
					}
					return found
				}
				elements, err := parse(tc.header.Get("Content-Type"), []byte(tc.body), 10)
				if err != nil {
					t.Fatal(err)
				}
				return read(src, elements, "", now)
			}
			var got []eventlog.Change
			for _, s := range tell(old).strange {
				changes, err := Reread(mended, s.mediaType, s.raw, now)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, changes...)
			}
			want := tell(mended).changes
			if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
				t.Errorf("what was kept makes other events than the request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatWasKeptHasLimits(t *testing.T) {
	t.Parallel()
	p, err := profile.Load("testdata/hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	src := &source.Source{Name: "hooks", Profile: p}
	many := `{"contracts":[` + strings.TrimSuffix(strings.Repeat(`{"id":"%d"},`, mostEvents+1), ",") + `]}`
	ids := make([]any, mostEvents+1)
	for i := range ids {
		ids[i] = i
	}
	for name, tc := range map[string]struct {
		mediaType, body string
		want            error
	}{
		"too many contracts":   {typeJSON, fmt.Sprintf(many, ids...), errTooMany},
		"another media type":   {"text/plain", `{"contractId":1}`, errMediaType},
		"no media type":        {"?", `{"contractId":1}`, errMediaType},
		"no text":              {typeJSON, "{\"contractId\":\"\xff\"}", errUTF8},
		"no text in a form":    {typeForm, "contractId=\xff", errUTF8},
		"still not recognised": {typeJSON, `{"nothing":"of ours"}`, ErrStillStrange},
	} {
		if changes, err := Reread(src, tc.mediaType, []byte(tc.body), time.Now()); !errors.Is(err, tc.want) || changes != nil {
			t.Errorf("%s: %d changes and %v, want %v", name, len(changes), err, tc.want)
		}
	}
}
