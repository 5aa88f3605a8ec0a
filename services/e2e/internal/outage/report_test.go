package outage

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

var began = time.Date(2026, time.November, 1, 12, 0, 0, 0, time.UTC)

// seen is an outage of the ERP from second 10 to 20 in which two contracts have changed.
func seen() *Outage {
	o := &Outage{System: simclient.Powercloud, Began: began, Died: began.Add(10 * time.Second), Recovered: began.Add(20 * time.Second), Sent: 7}
	request := func(second float64, status int, kind key.Kind, id string) *simclient.Entry {
		at := began.Add(time.Duration(second * float64(time.Second))).UnixNano()
		return &simclient.Entry{StartNS: at, EndNS: at + int64(time.Second/10), Status: status, Kind: kind, ID: id}
	}
	for _, e := range []*simclient.Entry{
		request(5, 200, key.Contract, "a"), request(6, 200, key.Contract, "a"), request(7, 200, key.Contract, "b"), request(8, 200, key.Customer, "c"),
		request(11, 0, key.Contract, "a"), request(12, 0, key.Customer, "c"), request(17, 0, key.Contract, "b"),
		request(20, 200, key.Contract, "a"), request(21, 200, key.Contract, "b"),
	} {
		o.Reads.add(e, o)
	}
	for _, e := range []*simclient.Entry{request(20.5, 200, key.Contract, "a"), request(22, 201, key.Contract, "b")} {
		o.Requests.add(e, o)
	}
	for _, r := range []*Requests{&o.Reads, &o.Requests} {
		r.Before.close()
		r.During.close()
		r.After.close()
	}
	o.Balance = ledger.Balance{Accepted: 7, Settled: 7, ByOutcome: map[string]uint64{"delivered": 7}}
	return o
}

func TestRequestsCountByWhenTheyBegan(t *testing.T) {
	t.Parallel()
	o := seen()
	got := map[string]string{
		"before": o.Reads.Before.String(), "during": o.Reads.During.String(), "after": o.Reads.After.String(),
		"pause": o.Reads.LongestPause.String(), "first": o.Reads.FirstGood.Sub(o.Recovered).String(),
		"half": o.SettledAfter(0.5).String(), "all": o.SettledAfter(1).String(), "large": (&Count{Good: 1234567, Least: 1, Most: 3}).String(),
	}
	want := map[string]string{
		"before": "3 (1 to 2)", "during": "0", "after": "2 (1 each)", "pause": "5s", "first": "0s", "half": "600ms", "all": "2.1s",
		"large": "1,234,567 (1 to 3)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if o.Probes() != 3 {
		t.Errorf("%d probes, want 3", o.Probes())
	}
}

func TestAReportFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*Report)
		want  string
	}{
		"nothing":            {func(*Report) {}, ""},
		"a contract missing": {func(r *Report) { r.Options.Contracts = 3 }, "after recovery good reads"},
		"a read too many":    {func(r *Report) { r.Outages[0].Reads.After.Most = 2 }, "after recovery good reads"},
		"a request too many": {func(r *Report) { r.Outages[0].Requests.After.Most = 2 }, "after recovery requests to Enneo"},
		"answered":           {func(r *Report) { r.Outages[0].Reads.During.Good = 1 }, "answered by a dead system"},
		"failed afterwards":  {func(r *Report) { r.Outages[0].Reads.After.Failed = 1 }, "failed after recovery"},
		"never asked":        {func(r *Report) { r.Outages[0].Reads.During = Count{} }, "never asked"},
		"asked all the time": {func(r *Report) { r.Outages[0].Reads.During.Failed = 1000 }, "probes"},
		"a dead letter":      {func(r *Report) { r.Outages[0].Balance.ByOutcome[deadLetters] = 1 }, "dead letters"},
		"open":               {func(r *Report) { r.Outages[0].Balance.Open, r.Outages[0].Balance.Accepted = 1, 8 }, "are open"},
		"unbalanced":         {func(r *Report) { r.Outages[0].Balance.Accepted = 8 }, "is not settled"},
		"lost":               {func(r *Report) { r.Outages[0].Sent = 8 }, "the log holds"},
		"end states":         {func(r *Report) { r.Unsound = errors.New("they differ") }, "they differ"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Report{Options: &Options{Contracts: 2}, Outages: []*Outage{seen()}}
			c.spoil(r)
			got := strings.Join(r.Wrong(), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("wrong: %q, want %q", got, c.want)
			}
			var printed strings.Builder
			if err := r.Print(&printed); err != nil || strings.Contains(printed.String(), "nothing is wrong") != (c.want == "") {
				t.Errorf("printed %s, %v", printed.String(), err)
			}
		})
	}
}
