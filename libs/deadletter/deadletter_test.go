package deadletter_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

var k = key.Key{Source: "pc", Kind: key.Contract, ID: "ä 1"}

func at(sequence uint64) position.Position { return position.Position{Epoch: 5, Sequence: sequence} }

func put(t *testing.T, box *deadletter.Box, stage string, p position.Position, f *fault.Fault) {
	t.Helper()
	if err := box.PutKey(t.Context(), stage, k, p, 3, f, ""); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, box *deadletter.Box, stage string) *bridgev1.DeadLetter {
	t.Helper()
	letter, err := box.Get(t.Context(), stage, k)
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

func rejected(answer string) *fault.Fault {
	return &fault.Fault{Permanent: true, Reason: "rejected", Field: "iban", Status: 422, Answer: answer, Err: errors.New("too short")}
}

// letters is how many dead letters the stream holds.
func letters(t *testing.T, b *bus.Bus) uint64 {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

func TestNewestDeadLetterOfAKeyAndStageIsKept(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	box := deadletter.Open(b)
	for _, stage := range []string{deadletter.StageIngest, deadletter.StageEnrich, deadletter.StagePublish} {
		if letter := get(t, box, stage); letter != nil {
			t.Errorf("dead letter of an empty box = %v", letter)
		}
	}
	before := time.Now()
	put(t, box, deadletter.StageEnrich, at(1), &fault.Fault{Reason: "unmappable"})
	first := get(t, box, deadletter.StageEnrich)
	put(t, box, deadletter.StagePublish, at(2), rejected("older"))
	put(t, box, deadletter.StageEnrich, at(7), rejected("newest"))
	got := get(t, box, deadletter.StageEnrich)
	want := &bridgev1.DeadLetter{
		Stage: "enrich", Source: "pc", Key: &bridgev1.Key{Source: "pc", Kind: "contract", Id: "ä 1"}, Position: at(7).Proto(),
		Reason: "rejected", Message: "rejected (field iban) (HTTP 422): too short", Field: "iban", Attempts: 3, Status: 422, Answer: "newest",
		FirstAt: first.GetFirstAt(),
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&bridgev1.DeadLetter{}, "last_at")); diff != "" {
		t.Errorf("dead letter differs (-want +got):\n%s", diff)
	}
	if last := got.GetLastAt().AsTime(); last.Before(first.GetLastAt().AsTime()) || last.After(time.Now()) || first.GetFirstAt().AsTime().Before(before) {
		t.Errorf("first at %v, last at %v; want first the time of the first one", got.GetFirstAt(), got.GetLastAt())
	}
	if letter := get(t, box, deadletter.StagePublish); letter.GetAnswer() != "older" {
		t.Errorf("dead letter of the other stage = %v, want it untouched", letter)
	}
	if n := letters(t, b); n != 2 {
		t.Errorf("%d dead letters, want one per stage", n)
	}
}

func TestAttemptsAreAtLeastOne(t *testing.T) {
	t.Parallel()
	box := deadletter.Open(bustest.Start(t).Connect(t))
	if err := box.PutKey(t.Context(), deadletter.StageEnrich, k, at(1), 0, rejected(""), ""); err != nil {
		t.Fatal(err)
	}
	if got := get(t, box, deadletter.StageEnrich).GetAttempts(); got != 1 {
		t.Errorf("attempts = %d, want 1", got)
	}
}

func TestClearRemovesOnlyWhatTheSuccessCovers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		enrich, publish position.Position // zero: no dead letter
		success         position.Position
		wantLeft        []string
	}{
		{name: "nothing is there", success: at(1)},
		{name: "the same position", enrich: at(5), success: at(5)},
		{name: "a later position", publish: at(5), success: at(6)},
		{name: "both stages", enrich: at(4), publish: at(5), success: at(5)},
		{name: "an earlier position", enrich: at(5), success: at(4), wantLeft: []string{"enrich"}},
		{name: "in between", enrich: at(4), publish: at(6), success: at(5), wantLeft: []string{"publish"}},
		{name: "a later epoch", enrich: at(9), success: position.Position{Epoch: 6, Sequence: 1}},
		{name: "an earlier epoch", enrich: at(1), success: position.Position{Epoch: 4, Sequence: 9}, wantLeft: []string{"enrich"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			box := deadletter.Open(bustest.Start(t).Connect(t))
			for stage, p := range map[string]position.Position{deadletter.StageEnrich: tc.enrich, deadletter.StagePublish: tc.publish} {
				if !p.IsZero() {
					put(t, box, stage, p, rejected("x"))
				}
			}
			// A second time, as after dying in between.
			for range 2 {
				if err := box.Clear(t.Context(), k, tc.success); err != nil {
					t.Fatal(err)
				}
			}
			var left []string
			for _, stage := range []string{deadletter.StageEnrich, deadletter.StagePublish} {
				if get(t, box, stage) != nil {
					left = append(left, stage)
				}
			}
			if diff := cmp.Diff(tc.wantLeft, left); diff != "" {
				t.Errorf("what is left differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClearLeavesOtherKeys(t *testing.T) {
	t.Parallel()
	box := deadletter.Open(bustest.Start(t).Connect(t))
	put(t, box, deadletter.StageEnrich, at(1), rejected("x"))
	if err := box.Clear(t.Context(), key.Key{Source: "pc", Kind: key.Customer, ID: k.ID}, at(9)); err != nil {
		t.Fatal(err)
	}
	if get(t, box, deadletter.StageEnrich) == nil {
		t.Error("the dead letter of another key is gone")
	}
}

// Several may succeed at once, and each wants to remove the same letter.
func TestClearAtOnceFailsForNobody(t *testing.T) {
	t.Parallel()
	box := deadletter.Open(bustest.Start(t).Connect(t))
	for range 20 {
		put(t, box, deadletter.StageEnrich, at(1), rejected("x"))
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := box.Clear(t.Context(), k, at(1)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
}

// fileWith returns the file of the stream that holds the text, "" if none does.
func fileWith(t *testing.T, srv *bustest.Server, text string) string {
	t.Helper()
	var found string
	dir := filepath.Join(srv.Dir, "jetstream", "$G", "streams", bus.StreamDead)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestClearedBytesAreGoneFromTheStore(t *testing.T) {
	t.Parallel()
	const canary, other = "canary-DE02120300000000202051", "canary-of-another-key"
	srv := bustest.Start(t)
	b := srv.Connect(t)
	box := deadletter.Open(b)
	put(t, box, deadletter.StagePublish, at(2), rejected(canary))
	another := key.Key{Source: "pc", Kind: key.Contract, ID: "2"}
	if err := box.PutKey(t.Context(), deadletter.StagePublish, another, at(3), 1, rejected(other), ""); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "the dead letter is in the files", func() bool { return fileWith(t, srv, canary) != "" })
	if err := box.Clear(t.Context(), k, at(2)); err != nil {
		t.Fatal(err)
	}
	srv.Stop(t)
	if file := fileWith(t, srv, canary); file != "" {
		t.Errorf("the dead letter is still in %s", file)
	}
	if fileWith(t, srv, other) == "" {
		t.Error("the dead letter of another key is gone from the files, or they are not where this test looks")
	}
	srv.Run(t)
}

func TestBodyWithoutIdentifierIsStoredOnce(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	box := deadletter.Open(b)
	body := []byte("{\"x\":\"\xff\"}")
	for _, source := range []string{"pc", "pc", "lq"} {
		if err := box.PutBody(t.Context(), source, "application/json", body, "no_identifier", "set contract_id", ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := letters(t, b); n != 2 {
		t.Errorf("%d dead letters, want one per source", n)
	}
	if err := box.PutBody(t.Context(), "pc", "application/json", append(body, ' '), "no_identifier", "set contract_id", ""); err != nil {
		t.Fatal(err)
	}
	if n := letters(t, b); n != 3 {
		t.Errorf("%d dead letters, want one more for another body", n)
	}
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := ce.Decode(msg.Header, msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	got := &bridgev1.DeadLetter{}
	if err := ce.UnmarshalData(ev.Data(), got); err != nil {
		t.Fatal(err)
	}
	want := &bridgev1.DeadLetter{
		Stage: "ingest", Source: "pc", Reason: "no_identifier", Message: "set contract_id", Attempts: 1, Body: body, ContentType: "application/json",
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&bridgev1.DeadLetter{}, "first_at", "last_at")); diff != "" {
		t.Errorf("dead letter differs (-want +got):\n%s", diff)
	}
	if !got.GetFirstAt().AsTime().Equal(got.GetLastAt().AsTime()) {
		t.Errorf("first at %v, last at %v: the same body says nothing new", got.GetFirstAt(), got.GetLastAt())
	}
	if ev.Type() != ce.TypeDeadLetter || ev.Source() != "/sources/pc" {
		t.Errorf("event = %s", ev)
	}
}

// Whoever writes into DEAD by hand must not hold up a key for ever.
func TestUnreadableDeadLetterHoldsUpNobody(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	box := deadletter.Open(b)
	msg := nats.NewMsg(bus.DeadSubject(deadletter.StageEnrich, k))
	msg.Data = []byte("by hand")
	if _, err := b.Publish(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	if letter, err := box.Get(t.Context(), deadletter.StageEnrich, k); err == nil {
		t.Errorf("Get = %v, want an error", letter)
	}
	put(t, box, deadletter.StagePublish, at(1), rejected("x"))
	if err := box.Clear(t.Context(), k, at(1)); err != nil {
		t.Errorf("Clear = %v", err)
	}
	if letter := get(t, box, deadletter.StagePublish); letter != nil {
		t.Errorf("dead letter of the other stage = %v, want it cleared", letter)
	}
	if n := letters(t, b); n != 1 {
		t.Errorf("%d dead letters, want the unreadable one left for a person", n)
	}
	put(t, box, deadletter.StageEnrich, at(2), rejected("x"))
	if letter := get(t, box, deadletter.StageEnrich); letter.GetPosition().GetSequence() != 2 {
		t.Errorf("dead letter = %v, want the one that replaces the unreadable one", letter)
	}
}

func TestFirstTimeBeginsAnewAfterASuccess(t *testing.T) {
	t.Parallel()
	box := deadletter.Open(bustest.Start(t).Connect(t))
	put(t, box, deadletter.StageEnrich, at(1), rejected("x"))
	cleared := timestamppb.Now()
	if err := box.Clear(t.Context(), k, at(1)); err != nil {
		t.Fatal(err)
	}
	put(t, box, deadletter.StageEnrich, at(2), rejected("x"))
	if first := get(t, box, deadletter.StageEnrich).GetFirstAt(); first.AsTime().Before(cleared.AsTime()) {
		t.Errorf("first at %v, want after the success at %v", first, cleared)
	}
}

func TestNothingIsBelievedWithoutAServer(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	box := deadletter.Open(srv.Connect(t))
	srv.Stop(t)
	if err := box.PutKey(t.Context(), deadletter.StageEnrich, k, at(1), 1, rejected("x"), ""); err == nil {
		t.Error("PutKey = nil")
	}
	if err := box.PutBody(t.Context(), "pc", "", nil, "", "", ""); err == nil {
		t.Error("PutBody = nil")
	}
	if err := box.Clear(t.Context(), k, at(1)); err == nil {
		t.Error("Clear = nil")
	}
	if letter, err := box.Get(t.Context(), deadletter.StageEnrich, k); err == nil {
		t.Errorf("Get = %v, nil", letter)
	}
}
