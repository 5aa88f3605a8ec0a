package manifests_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/services/manifests"
)

func TestTriggersFollowFromTheSources(t *testing.T) {
	t.Parallel()
	text, err := manifests.Triggers([]string{"north", "south-2"}, "nats-headless.bridge.svc:8222")
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(string(text), "---\n")[1:]
	if len(documents) != len(bus.Stages()) {
		t.Fatalf("%d documents, want one for each of %d stages", len(documents), len(bus.Stages()))
	}
	for i, stage := range bus.Stages() {
		for _, want := range []string{
			"\n  name: " + string(stage) + "\n", "stream: " + stage.Stream() + "\n",
			"consumer: " + stage.ConsumerName("north") + "\n", "consumer: " + stage.ConsumerName("south-2") + "\n",
			"natsServerMonitoringEndpoint: nats-headless.bridge.svc:8222\n",
		} {
			if !strings.Contains(documents[i], want) {
				t.Errorf("the patch of the %s lacks %q:\n%s", stage, want, documents[i])
			}
		}
	}
}

// overlay makes a folder with what WriteTriggers reads.
func overlay(t *testing.T, sources, kustomization string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"sources.env": sources, "kustomization.yaml": kustomization} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWriteTriggersReadsTheOverlay(t *testing.T) {
	t.Parallel()
	dir := overlay(t, "# ours\nSOURCES=north, south-2\nSOURCE_NORTH_HOST=x\n", "namespace: bridge\n")
	if err := manifests.Command([]string{dir}, io.Discard); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "scaling-triggers.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := manifests.Triggers([]string{"north", "south-2"}, "nats-headless.bridge.svc:8222")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("written (+):\n%s", diff)
	}
}

func TestWriteTriggersSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ sources, kustomization, want string }{
		"no sources":   {"SOURCE_NORTH_HOST=x\n", "namespace: bridge\n", "has no line SOURCES="},
		"no namespace": {"SOURCES=north\n", "resources: []\n", "sets no namespace"},
		"no YAML":      {"SOURCES=north\n", "namespace: [\n", "read the overlay"},
	} {
		err := manifests.WriteTriggers(overlay(t, tc.sources, tc.kustomization), "")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if err := manifests.WriteTriggers(t.TempDir(), "nats.example:8222"); err == nil {
		t.Error("an empty folder is no error")
	}
}
