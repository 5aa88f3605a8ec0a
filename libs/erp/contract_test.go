package erp_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/contracttest"
	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// TestTheClientKeepsToTheTable plays every exchange of the table that the simulated ERPs keep to as well.
func TestTheClientKeepsToTheTable(t *testing.T) {
	t.Parallel()
	for _, system := range []string{simclient.Powercloud, simclient.LynqTech, simclient.Generic} {
		for _, e := range contracttest.Exchanges(t, system) {
			t.Run(system+" "+e.Name, func(t *testing.T) {
				t.Parallel()
				got := play(t, system, &e)
				want := e.Result
				want.Body = canonical(t, want.Body)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("result differs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// play asks the client for what the exchange's call says.
func play(t *testing.T, system string, e *contracttest.Exchange) contracttest.Result {
	t.Helper()
	p, err := profile.Load(system)
	if err != nil {
		t.Fatal(err)
	}
	host, err := url.Parse(e.Server(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	src := &source.Source{
		Name: "erp", Profile: p, Host: host, Auth: p.Auth().Default, APIUser: contracttest.User,
		APIKey: config.Secret(or(e.Call.Secret, contracttest.Secret)), Hash: config.Secret(or(e.Call.Hash, contracttest.Hash)),
		Rate: 1000, Concurrency: 1, Timeout: 30 * time.Second,
	}
	client := newClient(t, src)
	switch operation := profile.Operation(e.Call.Operation); operation {
	case profile.GetContract:
		return read(t, client, key.Contract, e.Call.ID)
	case profile.GetCustomer:
		return read(t, client, key.Customer, e.Call.ID)
	default:
		page, err := client.List(t.Context(), operation, e.Call.Args)
		result := contracttest.Result{ContractIDs: page.ContractIDs, CustomerIDs: page.CustomerIDs, Next: page.Next, Fault: contracttest.FaultOf(err)}
		for _, item := range page.Items {
			if item.Err != nil {
				t.Errorf("item %q: %v", item.ID, item.Err)
			}
			if item.Kind == key.Contract {
				result.ContractIDs = append(result.ContractIDs, item.ID)
			} else {
				result.CustomerIDs = append(result.CustomerIDs, item.ID)
			}
		}
		return result
	}
}

func read(t *testing.T, client *erp.Client, kind key.Kind, id string) contracttest.Result {
	t.Helper()
	mapped, err := client.Get(t.Context(), kind, id)
	result := contracttest.Result{Gone: mapped.Gone, Fault: contracttest.FaultOf(err)}
	if mapped.Body != nil {
		body, err := enneo.Canonical(mapped.Body)
		if err != nil {
			t.Fatal(err)
		}
		result.Body = canonical(t, body)
	}
	return result
}

// canonical sorts the members of an object.
func canonical(t *testing.T, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(sorted)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
