package model_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// TestReadersGoOnDuringARebuild asks all the while for a contract that each batch changes, and for one that no batch touches.
func TestReadersGoOnDuringARebuild(t *testing.T) {
	t.Parallel()
	m := town(t)
	var done atomic.Bool
	var readers sync.WaitGroup
	asked := make([]int, 4)
	for r := range asked {
		readers.Go(func() {
			for !done.Load() || asked[r] == 0 {
				asked[r]++
				if got, ok, err := m.Find(context.Background(), model.Attributes{Email: "j.muessig@web.example", Lastname: "Müßig"}); err != nil || !ok || got.ContractID != "VN-1" {
					t.Errorf("found %q (%t, %v) during a rebuild", got.ContractID, ok, err)
					return
				}
				if got, err := m.Search(context.Background(), "muessig jürgen", 10, 0); err != nil || !slices.Equal(got, []string{"K-1"}) {
					t.Errorf("found %q (%v) during a rebuild", got, err)
					return
				}
				if _, ok, err := m.Get(context.Background(), key.Contract, "VN-1"); err != nil || !ok {
					t.Errorf("the contract is away during a rebuild (%v)", err)
					return
				}
			}
		})
	}
	for batch := range 20 {
		var entries []model.Entry
		for i := range 100 {
			entries = append(entries, entry(t, key.Contract, fmt.Sprintf("N-%d", i), uint64(batch+1), properties{
				"customerId": fmt.Sprintf("N-%d", i%7), "lastname": fmt.Sprintf("Ostermann%c", 'a'+batch), "deliveryAddress": "Horst-Kohl-Str. 15a, 12157 Berlin",
			}))
		}
		apply(t, m, entries...)
	}
	done.Store(true)
	readers.Wait()
}

// TestADeleteIsSeenByTheNextCall stores and removes in turn while others write.
func TestADeleteIsSeenByTheNextCall(t *testing.T) {
	t.Parallel()
	m := open(t)
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			id := fmt.Sprintf("W-%d", w)
			for i := range uint64(15) {
				apply(t, m, entry(t, key.Contract, id, 2*i+1, properties{"customerId": id, "lastname": "Brandstätter", "email": id + "@web.example"}))
				if got, err := m.Search(t.Context(), id+" brandst", 10, 0); err != nil || !slices.Contains(got, id) {
					t.Errorf("%s is not found when Apply has returned: %q (%v)", id, got, err)
				}
				apply(t, m, entry(t, key.Contract, id, 2*i+2, nil))
				if got, err := m.Search(t.Context(), "brandst", 10, 0); err != nil || slices.Contains(got, id) {
					t.Errorf("%s is found when it is gone: %q (%v)", id, got, err)
				}
				if _, ok, err := m.Find(t.Context(), model.Attributes{Email: id + "@web.example"}); ok || err != nil {
					t.Errorf("%s is found by its mail address when it is gone (%v)", id, err)
				}
			}
		})
	}
	writers.Wait()
}

// TestNothingOfAPersonIsLeftOnDisk looks for a name in the files after the record is gone, and for the files after Close.
func TestNothingOfAPersonIsLeftOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m, err := model.Open(t.Context(), model.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var others []model.Entry
	for i := range 50 {
		others = append(others, entry(t, key.Contract, fmt.Sprintf("N-%d", i), 1, properties{"customerId": "N", "lastname": "Ostermann"}))
	}
	const name = "Unverwechselbar"
	apply(t, m, entry(t, key.Contract, "VN-1", 1, properties{
		"customerId": "K-1", "lastname": name, "email": name + "@web.example", "deliveryAddress": name + "weg 1, 12157 Berlin",
	}))
	apply(t, m, others...)
	apply(t, m, entry(t, key.Contract, "VN-1", 2, nil))
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the store has no files (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(text)), strings.ToLower(name)) {
			t.Errorf("%s still holds the name", filepath.Base(file))
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("Close leaves %v (%v)", left, err)
	}
}

func TestOpenRemovesWhatAKilledProcessLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dead := filepath.Join(dir, "lookup-model-dead")
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lock", "model.db"} {
		if err := os.WriteFile(filepath.Join(dead, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // The second leaves the first alone, which is alive.
		m, err := model.Open(t.Context(), model.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Close() }()
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 2 || slices.Contains(left, dead) {
		t.Errorf("there are %v, want the two that are open", left)
	}
}

func TestHostileIdsAreFoundAndMixedUpWithNoOther(t *testing.T) {
	t.Parallel()
	m := open(t)
	ids := simclient.HostileIDs()
	for i, id := range ids {
		apply(
			t, m, entry(t, key.Contract, id, 1, properties{"customerId": id, "lastname": fmt.Sprintf("Ostermann%c", 'a'+i)}),
			entry(t, key.Customer, id, 1, properties{"lastname": fmt.Sprintf("Ostermann%c", 'a'+i), "contractIds": []string{id}}),
		)
	}
	for _, id := range ids {
		e, ok, err := m.Get(t.Context(), key.Contract, id)
		if err != nil || !ok || e.Key.ID != id {
			t.Errorf("%q is %q (%t, %v)", id, e.Key.ID, ok, err)
		}
		for _, a := range []model.Attributes{{ContractID: id}, {CustomerID: id}} {
			if got, ok, err := m.Find(t.Context(), a); err != nil || !ok || got.ContractID != id {
				t.Errorf("%q finds %q (%t, %v)", id, got.ContractID, ok, err)
			}
		}
		if _, err := m.Search(t.Context(), id, 10, 0); err != nil {
			t.Errorf("search for %q: %v", id, err)
		}
	}
}

// TestNoInputMakesACallFail is a property and no fuzz target: instrumenting the database for one takes minutes.
func TestNoInputMakesACallFail(t *testing.T) {
	t.Parallel()
	m := open(t)
	hard := append(simclient.HostileIDs(), `"a" OR b*`, "NEAR(a b, 2)", "t:a", "^a", "-a", "'", "a' OR '1'='1", strings.Repeat("ä ", 5000), "\xff\xfe", "müller 12157 @ +49", "")
	input := rapid.OneOf(rapid.String(), rapid.SampledFrom(hard), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(r *rapid.T) {
		a, b := input.Draw(r, "a"), input.Draw(r, "b")
		if got, err := m.Search(t.Context(), a+" "+b, 10, 0); err != nil || len(got) > 0 {
			r.Fatalf("search in an empty model finds %q (%v)", got, err)
		}
		for _, given := range []model.Attributes{
			{ContractID: a, CustomerID: b},
			{MeterNumber: a, Email: b},
			{Phone: a, Fullname: b},
			{Firstname: a, Lastname: b, Address: b + ", " + a},
			{Company: a, Address: b, PostalCode: a, City: b, Custom: map[string]string{a: b}},
		} {
			if _, ok, err := m.Find(t.Context(), given); err != nil || ok {
				r.Fatalf("an empty model finds something (%v)", err)
			}
		}
	})
}
