package bus_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	missing := func(sources ...string) []string {
		t.Helper()
		names, err := b.Missing(t.Context(), sources)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if got := missing("pc"); len(got) > 0 {
		t.Errorf("of a complete topology %v is missing", got)
	}
	if diff := cmp.Diff([]string{"enricher-new", "publisher-new"}, missing("pc", "new")); diff != "" {
		t.Errorf("of a source that has no consumers yet is missing (-want +got):\n%s", diff)
	}
	js := b.JetStream()
	for _, name := range []string{bus.StreamDue, bus.KVStream(bus.BucketBridge)} {
		if err := js.DeleteStream(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := js.DeleteConsumer(t.Context(), bus.StreamReady, "publisher-pc"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{bus.StreamDue, bus.KVStream(bus.BucketBridge), "publisher-pc"}, missing("pc")); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if err := b.Ensure(t.Context(), []string{"pc"}); err != nil {
		t.Fatal(err)
	}
	if got := missing("pc"); len(got) > 0 {
		t.Errorf("after Ensure %v is missing", got)
	}
}
