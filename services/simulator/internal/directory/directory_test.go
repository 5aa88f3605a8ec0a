package directory

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

var settings = Settings{Seed: 1, Contracts: 3000, SeveralShare: 0.15, BusinessShare: 0.12, GasShare: 0.35}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func all(d *Directory) (contracts []simclient.Contract, customers []simclient.Customer) {
	for _, id := range d.IDs(key.Contract, 0, 0) {
		c, _ := d.Contract(id, 0)
		contracts = append(contracts, c)
	}
	for _, id := range d.IDs(key.Customer, 0, 0) {
		c, _ := d.Customer(id, 0)
		customers = append(customers, c)
	}
	return contracts, customers
}

func TestSeedDecidesOnEverything(t *testing.T) {
	t.Parallel()
	contracts, customers := all(New(settings, time.Now))
	sameContracts, sameCustomers := all(New(settings, time.Now))
	if diff := cmp.Diff(contracts, sameContracts); diff != "" {
		t.Errorf("the same seed gives other contracts (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(customers, sameCustomers); diff != "" {
		t.Errorf("the same seed gives other customers (-first +second):\n%s", diff)
	}
	other := settings
	other.Seed = 2
	if otherContracts, _ := all(New(other, time.Now)); cmp.Equal(contracts, otherContracts) {
		t.Error("another seed gives the same contracts")
	}
}

func TestGeneratedDataIsWhatAnERPHolds(t *testing.T) {
	t.Parallel()
	contracts, customers := all(New(settings, time.Now))
	if len(contracts) != settings.Contracts {
		t.Fatalf("%d contracts, want %d", len(contracts), settings.Contracts)
	}
	if contracts[0].ID != "VN-100001" || customers[0].ID != "K-50001" {
		t.Errorf("ids begin with %s and %s", contracts[0].ID, customers[0].ID)
	}
	byID := map[string]simclient.Customer{}
	several, business, umlauts, suffixes := 0, 0, 0, 0
	for _, c := range customers {
		byID[c.ID] = c
		if n := len(c.ContractIDs); n < 1 || n > 4 {
			t.Errorf("customer %s has %d contracts", c.ID, n)
		} else if n > 1 {
			several++
		}
		if c.Business {
			business++
		}
		if c.Business && c.Company == "" || !c.Business && (c.Lastname == "" || c.Company != "") {
			t.Errorf("customer %s: business %t, last name %q, company %q", c.ID, c.Business, c.Lastname, c.Company)
		}
		if strings.ContainsAny(string(c.Lastname), "äöüÄÖÜß") {
			umlauts++
		}
		if strings.ContainsAny(c.DeliveryHouseNumber, "abc/–") {
			suffixes++
		}
	}
	within(t, "share of customers with several contracts", float64(several)/float64(len(customers)), 0.12, 0.18)
	within(t, "share of businesses", float64(business)/float64(len(customers)), 0.09, 0.15)
	within(t, "share of last names with umlauts", float64(umlauts)/float64(len(customers)), 0.1, 0.6)
	within(t, "share of house numbers with a suffix", float64(suffixes)/float64(len(customers)), 0.1, 0.4)

	meters, ibans, active, gas := map[string]bool{}, map[string]bool{}, 0, 0
	for _, c := range contracts {
		customer := byID[c.CustomerID]
		if !strings.Contains(strings.Join(customer.ContractIDs, "|")+"|", c.ID+"|") {
			t.Errorf("customer %s does not list contract %s", c.CustomerID, c.ID)
		}
		if !ValidIBAN(c.IBAN) || !strings.HasPrefix(c.IBAN, "DE") || len(c.IBAN) != 22 {
			t.Errorf("contract %s has the IBAN %s", c.ID, c.IBAN)
		}
		if len(c.CounterNumber) != 14 || !strings.HasPrefix(c.CounterNumber, map[int]string{1: "1", 2: "7"}[c.EnergyTypeID]) {
			t.Errorf("contract %s has energy type %d and the meter %s", c.ID, c.EnergyTypeID, c.CounterNumber)
		}
		if c.MonthlyDeposit <= 0 || c.Consumption <= 0 || c.ProductCode == "" || c.Revision != 1 || len(c.DeliveryZip) != 5 {
			t.Errorf("contract %s is incomplete", c.ID)
		}
		if _, err := time.Parse(time.DateOnly, c.StartDate); err != nil {
			t.Errorf("contract %s starts at %s", c.ID, c.StartDate)
		}
		if (c.StatusID >= 6000) != (c.EndDate != "") {
			t.Errorf("contract %s with status %d ends at %q", c.ID, c.StatusID, c.EndDate)
		}
		meters[c.CounterNumber], ibans[c.IBAN] = true, true
		if c.StatusID == simclient.StatusActive {
			active++
		}
		if c.EnergyTypeID == simclient.Gas {
			gas++
		}
	}
	if len(meters) != len(contracts) || len(ibans) != len(contracts) {
		t.Errorf("%d contracts have %d meters and %d accounts", len(contracts), len(meters), len(ibans))
	}
	within(t, "share of active contracts", float64(active)/float64(len(contracts)), 0.75, 0.85)
	within(t, "share of gas", float64(gas)/float64(len(contracts)), 0.3, 0.4)
}

func within(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s is %.3f, want %.2f to %.2f", what, got, low, high)
	}
}

func TestIBANCheckDigits(t *testing.T) {
	t.Parallel()
	// Published examples of the registry and of the Bundesbank.
	for _, text := range []string{"DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606"} {
		if !ValidIBAN(text) {
			t.Errorf("%s counts as wrong", text)
		}
	}
	for _, text := range []string{"DE88370400440532013000", "DE89370400440532013001", "", "DE", "DE8937040044053201300ä"} {
		if ValidIBAN(text) {
			t.Errorf("%s counts as right", text)
		}
	}
}

func TestERPLagsBehind(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := New(settings, c.read)
	const id, lag = "VN-100001", 10 * time.Second
	status := func(lag time.Duration) int {
		contract, found := d.Contract(id, lag)
		if !found {
			return 0
		}
		return contract.StatusID
	}
	before := status(0)
	change(t, d, id, 6000)
	if status(0) != 6000 || status(lag) != before {
		t.Errorf("after the change the status is %d, and %d with lag", status(0), status(lag))
	}
	c.pass(lag - time.Nanosecond)
	if status(lag) != before {
		t.Error("the change shows before the lag is over")
	}
	c.pass(time.Nanosecond)
	if status(lag) != 6000 {
		t.Error("the change does not show when the lag is over")
	}
	if _, err := d.Delete(simclient.Ref{Kind: key.Contract, ID: id}); err != nil {
		t.Fatal(err)
	}
	if status(0) != 0 || status(lag) != 6000 {
		t.Errorf("after the delete the status is %d, and %d with lag", status(0), status(lag))
	}
	d.PutContract(simclient.Contract{ID: "new", CustomerID: "K-50001"})
	if _, found := d.Contract("new", lag); found {
		t.Error("a new contract shows before the lag is over")
	}
}

func TestOldStatesAreForgotten(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := New(settings, c.read)
	const id = "VN-100001"
	for range 10 * maxVersions {
		change(t, d, id, 6000)
	}
	if n := len(d.contracts.records[id].versions); n > maxVersions {
		t.Errorf("%d states are kept, want %d at most", n, maxVersions)
	}
	if _, found := d.Contract(id, simclient.MaxReadLag); !found {
		t.Error("a lag beyond what is kept shows nothing, want the oldest state")
	}
	c.pass(2 * simclient.MaxReadLag)
	change(t, d, id, 6000) // ends the state before it now: that one is still within reach
	c.pass(2 * simclient.MaxReadLag)
	change(t, d, id, 6000)
	if n := len(d.contracts.records[id].versions); n > 3 {
		t.Errorf("%d states are kept although no lag reaches them", n)
	}
	if n := len(d.contracts.changes); n > 2*len(d.contracts.records)+1025 {
		t.Errorf("the order of changes has grown to %d", n)
	}
}

func change(t *testing.T, d *Directory, id string, status int) []simclient.Revision {
	t.Helper()
	revisions, err := d.Change(simclient.Change{Contracts: []string{id}, StatusID: status})
	if err != nil {
		t.Fatal(err)
	}
	return revisions
}

func TestRevisionsGrowAcrossADelete(t *testing.T) {
	t.Parallel()
	d := New(settings, time.Now)
	contract, _ := d.Contract("VN-100001", 0)
	change(t, d, contract.ID, 6000)
	ref := simclient.Ref{Kind: key.Contract, ID: contract.ID}
	if _, err := d.Delete(ref); err != nil {
		t.Fatal(err)
	}
	if got := d.GoneAt(ref); got != 3 {
		t.Errorf("the contract went with revision %d, want 3", got)
	}
	if _, err := d.Delete(ref); !errors.Is(err, ErrUnknown) {
		t.Errorf("a second delete returned %v, want ErrUnknown", err)
	}
	if got := d.PutContract(contract)[0].Revision; got != 4 {
		t.Errorf("the contract came back with revision %d, want 4", got)
	}
	if got := d.GoneAt(ref); got != 0 {
		t.Errorf("the contract that is back went with revision %d", got)
	}
}

func TestCustomersListTheirContracts(t *testing.T) {
	t.Parallel()
	d := New(settings, time.Now)
	list := func(customer string) []string {
		c, _ := d.Customer(customer, 0)
		return c.ContractIDs
	}
	refs := func(revisions []simclient.Revision) string {
		texts := []string{}
		for _, r := range revisions {
			texts = append(texts, fmt.Sprintf("%s@%d", r.ID, r.Revision))
		}
		return strings.Join(texts, " ")
	}
	if got := refs(d.PutContract(simclient.Contract{ID: "a", CustomerID: "x"})); got != "a@1 x@1" {
		t.Errorf("a new contract with a new customer changed %s", got)
	}
	if got := refs(d.PutContract(simclient.Contract{ID: "b", CustomerID: "x"})); got != "b@1 x@2" {
		t.Errorf("a second contract changed %s", got)
	}
	if got := refs(d.PutContract(simclient.Contract{ID: "b", CustomerID: "x"})); got != "b@2" {
		t.Errorf("the same contract again changed %s", got)
	}
	if got := refs(d.PutContract(simclient.Contract{ID: "b", CustomerID: "y"})); got != "b@3 x@3 y@1" {
		t.Errorf("moving a contract changed %s", got)
	}
	if diff := cmp.Diff([]string{"a"}, list("x")); diff != "" {
		t.Errorf("customer x lists (-want +got):\n%s", diff)
	}
	if _, err := d.Delete(simclient.Ref{Kind: key.Contract, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{}, list("x")); diff != "" {
		t.Errorf("customer x without contracts lists (-want +got):\n%s", diff)
	}
}

func TestChangeIsAllOrNothing(t *testing.T) {
	t.Parallel()
	d := New(settings, time.Now)
	for name, c := range map[string]simclient.Change{
		"an unknown contract":   {Contracts: []string{"VN-100001", "nobody"}, StatusID: 6000},
		"an unknown customer":   {Contracts: []string{"VN-100001"}, Customers: []string{"nobody"}, StatusID: 6000},
		"a mistyped property":   {Contracts: []string{"VN-100001"}, Patch: []byte(`{"emial":"x"}`)},
		"a value of wrong type": {Contracts: []string{"VN-100001"}, Patch: []byte(`{"email":1}`)},
		"another id":            {Contracts: []string{"VN-100001"}, Patch: []byte(`{"id":"x"}`)},
	} {
		if _, err := d.Change(c); err == nil {
			t.Errorf("%s: the change was made", name)
		}
	}
	if contract, _ := d.Contract("VN-100001", 0); contract.Revision != 1 || len(d.Touched()) != 0 {
		t.Errorf("after refused changes the revision is %d, and %v are touched", contract.Revision, d.Touched())
	}
}

func TestListsArePagedInTheOrderOfChanges(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := New(Settings{Seed: 1, Contracts: 25}, c.read)
	c.pass(time.Second)
	since := c.read()
	for _, id := range []string{"VN-100007", "VN-100003", "VN-100007"} {
		change(t, d, id, 6000)
	}
	if _, err := d.Delete(simclient.Ref{Kind: key.Contract, ID: "VN-100005"}); err != nil {
		t.Fatal(err)
	}
	pages := func(page Page) (ids []string) {
		for {
			list := d.Contracts(page, nil)
			for _, item := range list.Items {
				ids = append(ids, fmt.Sprintf("%s %t", item.Value.ID, item.Gone))
			}
			if !list.More {
				return ids
			}
			page.After = list.Last
		}
	}
	want := []string{"VN-100003 false", "VN-100007 false", "VN-100005 true"}
	for _, limit := range []int{0, 1, 2, 3, 100} {
		if diff := cmp.Diff(want, pages(Page{Limit: limit, Since: since})); diff != "" {
			t.Errorf("limit %d: changes differ (-want +got):\n%s", limit, diff)
		}
		if got := pages(Page{Limit: limit}); len(got) != 24 {
			t.Errorf("limit %d: the list of all has %d contracts, want 24", limit, len(got))
		}
	}
}

func TestDirectoryIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	d := New(Settings{Seed: 1, Contracts: 10}, time.Now)
	var wait sync.WaitGroup
	const each = 50
	for worker := range 4 {
		wait.Go(func() {
			for i := range each {
				change(t, d, "VN-100001", 6000)
				d.PutContract(simclient.Contract{ID: fmt.Sprintf("w%d-%d", worker, i), CustomerID: "K-50001"})
				d.Customer("K-50001", time.Second)
				d.Contracts(Page{Limit: 5}, nil)
				d.Generate(1)
				d.IDs(key.Customer, 0, 0)
			}
		})
	}
	wait.Wait()
	if contract, _ := d.Contract("VN-100001", 0); contract.Revision != 1+4*each {
		t.Errorf("revision is %d after %d changes", contract.Revision, 4*each)
	}
	if contracts, _ := d.Count(); contracts != 10+2*4*each {
		t.Errorf("%d contracts, want %d", contracts, 10+2*4*each)
	}
}
