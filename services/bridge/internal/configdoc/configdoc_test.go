package configdoc_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/configdoc"
)

func page(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := configdoc.Write(&b); err != nil {
		t.Fatalf("Write: %v", err)
	}
	return b.String()
}

func TestSameStructsGiveTheSamePage(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(page(t), page(t)); diff != "" {
		t.Errorf("two pages differ:\n%s", diff)
	}
}

var row = regexp.MustCompile("(?m)^\\| `([^`]+)` ")

func TestEveryVariableStandsOnThePageOnce(t *testing.T) {
	t.Parallel()
	text := page(t)
	listed := map[string]int{}
	for _, match := range row.FindAllStringSubmatch(text, -1) {
		listed[match[1]]++
	}
	// The ingestor, lookup and the simulator each listen somewhere else.
	meanings := map[string]int{"LISTEN_ADDR": 3}
	for name, n := range listed {
		if want := max(1, meanings[name]); n != want {
			t.Errorf("%s stands on the page %d times, want %d", name, n, want)
		}
	}
	for _, s := range configdoc.Services() {
		fields, err := config.Fields(s.Config)
		if err != nil {
			t.Fatalf("fields of %s: %v", s.Name, err)
		}
		for _, f := range fields {
			if listed[f.Key] == 0 {
				t.Errorf("%s of the %s is missing", f.Key, s.Name)
			}
		}
	}
	own, err := config.Fields(source.Config{})
	if err != nil {
		t.Fatalf("fields of a source: %v", err)
	}
	for _, f := range own {
		if listed["SOURCE_<NAME>_"+f.Key] != 1 {
			t.Errorf("SOURCE_<NAME>_%s is missing", f.Key)
		}
	}
}

func TestSharedVariablesNameTheirReaders(t *testing.T) {
	t.Parallel()
	want := "## NATS\n\nRead by `ingestor`, `debouncer`, `enricher`, `publisher`, `lookup` and `reconciler`.\n\n| variable |"
	if text := page(t); !strings.Contains(text, want) {
		t.Errorf("page lacks %q:\n%s", want, text)
	}
}

// full is a writer that takes so many bytes.
type full struct{ room int }

var errFull = errors.New("disk full")

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorsAreReported(t *testing.T) {
	t.Parallel()
	for room := 0; room < len(page(t)); room += 500 {
		if err := configdoc.Write(&full{room: room}); !errors.Is(err, errFull) {
			t.Errorf("Write with room for %d bytes = %v, want %v", room, err, errFull)
		}
	}
}
