package publisher

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/publisher/internal/mind"
)

// drifting is a drift of the world's source, with what it logs.
func (w *world) drifting(d *deliverer) (*drift, *bytes.Buffer) {
	w.t.Helper()
	looks, err := newDriftCounter(metricnoop.NewMeterProvider().Meter(""))
	w.must(err)
	target, ok := w.target(testTimeout).(*mind.Target)
	if !ok {
		w.t.Fatal("the target is none of Enneo's")
	}
	logged := &bytes.Buffer{}
	return &drift{source: testSource, deliver: d, reader: target, looks: looks, logger: slog.New(slog.NewTextHandler(logged, nil))}, logged
}

func TestWhatEnneoHasIsComparedWithWhatItWasGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	look, logged := w.drifting(d)
	if _, found, err := look.sample(t.Context()); err != nil || found {
		t.Errorf("chosen before anything was settled: %t, %v", found, err)
	}
	k := contract("VN-1")
	w.settled(k, w.change(k, 1))
	is := func(when, want string, wantFields ...string) {
		t.Helper()
		chosen, found, err := look.sample(t.Context())
		if err != nil || !found || chosen != k {
			t.Fatalf("%s: chosen %v, %t, %v; want %v", when, chosen, found, err, k)
		}
		result, fields, err := look.compare(t.Context(), k)
		if result != want || !slices.Equal(fields, wantFields) || (err != nil) != (want == driftFailed) {
			t.Errorf("%s: %s %q, %v; want %s %q", when, result, fields, err, want, wantFields)
		}
	}
	is("after the delivery", driftSame)
	w.must(d.target.Deliver(t.Context(), mind.Delivery{Kind: k.Kind, ID: k.ID, Body: strings.Replace(body(k, 1), "Musterfrau", "Irgendwer", 1)}))
	is("after somebody has edited it", driftDiffering, "lastname")
	look.look(t.Context())
	w.must(d.target.Deliver(t.Context(), mind.Delivery{Kind: k.Kind, ID: k.ID, Gone: true}))
	is("after somebody has deleted it", driftMissing)
	look.look(t.Context())
	for _, part := range []string{"result=differing", "fields=lastname", "result=missing", "bridge resync"} {
		if !strings.Contains(logged.String(), part) {
			t.Errorf("logged without %q: %s", part, logged)
		}
	}
	for _, personal := range []string{"Irgendwer", "Musterfrau", k.ID} {
		if strings.Contains(logged.String(), personal) {
			t.Errorf("logged with %q: %s", personal, logged)
		}
	}
	outage := w.fault(simclient.Fault{Action: simclient.Status, Status: 503, Operation: "get_contract"})
	is("while Enneo is away", driftFailed)
	w.must(w.sim.ClearFault(t.Context(), outage))
	w.read(k, 2) // A newer event that nobody has told the publisher of.
	is("while something is open", driftMoving)
}

func TestIDsInEnneoStandInThePathAndInTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(func(d *deliverer) { d.enneoID = func(id string) string { return "pc-" + id } })
	look, _ := w.drifting(d)
	k := contract("VN-1")
	w.settled(k, w.change(k, 1))
	got, found, err := look.reader.Contract(t.Context(), "pc-VN-1")
	if err != nil || !found || !strings.Contains(string(got), `"id":"pc-VN-1"`) || !strings.Contains(string(got), `"customerId":"pc-C-1"`) {
		t.Errorf("Enneo has %s, %t, %v; want ids with the prefix", got, found, err)
	}
	if result, fields, err := look.compare(t.Context(), k); result != driftSame {
		t.Errorf("%s %q, %v", result, fields, err)
	}
}

func TestValuesAreAlikeWhateverTheirForm(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sent, got string
		want      []string
	}{
		{`{"id":"7","deposit":12.10,"company":null}`, `{"id":7,"deposit":12.1,"more":true}`, nil},
		{`{"a":1,"b":"x","c":null,"d":true}`, `{"a":2,"b":"y","c":"z"}`, []string{"a", "b", "c", "d"}},
		{`{"list":[1,"2",{"x":1}]}`, `{"list":[1.0,2,{"x":1,"y":2}]}`, nil},
		{`{"list":[1,2]}`, `{"list":[2,1]}`, []string{"list"}},
		{`{"o":{"x":1}}`, `{"o":[1]}`, []string{"o"}},
		{`{"n":1e999}`, `{"n":1e998}`, []string{"n"}},
	} {
		if fields, err := differing(tc.sent, []byte(tc.got)); err != nil || !slices.Equal(fields, tc.want) {
			t.Errorf("%s and %s differ in %q, %v; want %q", tc.sent, tc.got, fields, err, tc.want)
		}
	}
	if _, err := differing(`{}`, []byte(`null`)); err == nil {
		t.Error("an answer that is no structure has no error")
	}
}
