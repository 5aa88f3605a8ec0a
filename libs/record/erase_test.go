package record_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

type snapshots = record.Bucket[bridgev1.Snapshot, *bridgev1.Snapshot]

func openSnapshots(t *testing.T, s *bustest.Server) *snapshots {
	t.Helper()
	b, err := record.Open[bridgev1.Snapshot](t.Context(), s.Connect(t).JetStream(), bus.BucketContracts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// inFiles tells in how many files below dir the text stands.
func inFiles(t *testing.T, dir, text string) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // The server tidies up.
		}
		if bytes.Contains(data, []byte(text)) {
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// store stores a body in place of the newest one.
func store(t *testing.T, b *snapshots, k, body string) {
	t.Helper()
	_, err := b.Change(t.Context(), k, func(s *bridgev1.Snapshot) error {
		s.Body = body
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatWasReplacedStandsInNoFile: neither before nor after the server has ended.
func TestWhatWasReplacedStandsInNoFile(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := openSnapshots(t, s).Erasing()
	bodies := []string{"Erika-Musterfrau-1", "Erika-Musterfrau-2", "Erika-Musterfrau-3"}
	for _, body := range bodies {
		store(t, b, "pc.contract.1", strings.Repeat(body, 10))
		store(t, b, "pc.contract.2", "another")
	}
	store(t, b, "pc.contract.1", "")
	visited := 0
	if err := b.Each(t.Context(), func(string, record.Entry[bridgev1.Snapshot, *bridgev1.Snapshot]) error { visited++; return nil }); err != nil {
		t.Fatal(err)
	}
	if visited != 2 {
		t.Errorf("%d records visited, want the newest of each of 2", visited)
	}
	s.Stop(t)
	for _, body := range bodies {
		if n := inFiles(t, s.Dir, body); n != 0 {
			t.Errorf("%s stands in %d files of the server", body, n)
		}
	}
	// The search finds what is there.
	if n := inFiles(t, s.Dir, "another"); n == 0 {
		t.Error("the newest record stands in no file")
	}
}

// TestWhatACrashLeftBehindIsErasedLater: a bucket that does not erase leaves what a process leaves that died in between.
func TestWhatACrashLeftBehindIsErasedLater(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	careless := openSnapshots(t, s)
	for _, body := range []string{"Erika-Musterfrau-1", "Erika-Musterfrau-2", "the newest"} {
		store(t, careless, "pc.contract.1", body)
	}
	store(t, careless, "pc.contract.2", "the only")
	for _, k := range []string{"pc.contract.1", "pc.contract.2", "pc.contract.none"} {
		if err := careless.EraseOlder(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	for k, want := range map[string]string{"pc.contract.1": "the newest", "pc.contract.2": "the only"} {
		got, err := careless.Get(t.Context(), k)
		if err != nil || got.Value.GetBody() != want {
			t.Errorf("%s is %q (%v), want %q", k, got.Value.GetBody(), err, want)
		}
	}
	s.Stop(t)
	if n := inFiles(t, s.Dir, "Erika-Musterfrau"); n != 0 {
		t.Errorf("what was replaced stands in %d files of the server", n)
	}
}
