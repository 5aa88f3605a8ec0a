package simulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// The built-in profiles and the simulated systems are written against the same page of facts, by different rules: what
// one maps and the other expects has to agree for every record.
func TestBuiltinProfilesMapWhatTheERPsShow(t *testing.T) {
	t.Parallel()
	for _, system := range []string{simclient.Powercloud, simclient.LynqTech, simclient.Generic} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			p, err := profile.Load(system)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.control.Generate(t.Context(), simclient.Generate{Hostile: true}); err != nil {
				t.Fatal(err)
			}
			records := 0
			for kind, operation := range map[key.Kind]profile.Operation{key.Contract: profile.GetContract, key.Customer: profile.GetCustomer} {
				ids, err := f.control.IDs(t.Context(), kind, 0, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range ids {
					if strings.TrimSpace(id) == "" || id == "." || id == ".." {
						continue // the profiles refuse these
					}
					f.carry(system, p, operation, kind, id)
					records++
				}
			}
			n, differ := f.compare(simclient.CompareQuery{System: system})
			listed := map[bool]int{}
			for _, text := range differ {
				listed[strings.HasSuffix(text, simclient.MissingInEnneo)]++
			}
			// The ids that the profiles refuse, each as a contract and as a customer.
			if listed[false] != 0 || n-listed[true] != records || listed[true] > 6 {
				t.Errorf("of %d keys with %d carried over differ %v", n, records, differ)
			}
		})
	}
}

// carry reads a record as the profile says, and writes to Enneo what the profile makes of it.
func (f *fixture) carry(system string, p *profile.Profile, operation profile.Operation, kind key.Kind, id string) {
	f.t.Helper()
	request, err := p.Request(operation, profile.Args{"id": id, "hash": f.options.PowercloudHash})
	if err != nil {
		f.t.Fatalf("%q: %v", id, err)
	}
	got := f.call(request.Method, "/"+system+request.Target, "")
	mapped, err := p.Map(kind, id, got.status, got.body)
	if err != nil {
		f.t.Fatalf("%q: %v", id, err)
	}
	body, err := json.Marshal(mapped.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if got := f.call(http.MethodPut, enneoPath(string(kind), id), string(body)); got.status != http.StatusCreated {
		f.t.Errorf("Enneo answers %d to %q: %s", got.status, id, got.body)
	}
}
