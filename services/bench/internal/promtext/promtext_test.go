package promtext

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const text = `# HELP events_armed_total Events armed
# TYPE events_armed_total counter
events_armed_total{outcome="opened",source="a"} 20
events_armed_total{outcome="extended",source="a"} 1.8e+02
events_armed_total{outcome="opened",source="b, \"c\"}"} 5
windows_open 25
`

func TestParseReadsNamesLabelsAndValues(t *testing.T) {
	t.Parallel()
	got, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Sample{
		{"events_armed_total", map[string]string{"outcome": "opened", "source": "a"}, 20},
		{"events_armed_total", map[string]string{"outcome": "extended", "source": "a"}, 180},
		{"events_armed_total", map[string]string{"outcome": "opened", "source": `b, "c"}`}, 5},
		{"windows_open", map[string]string{}, 25},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

func TestSumAddsWhatHasTheLabels(t *testing.T) {
	t.Parallel()
	samples, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"events_armed_total", nil, 205},
		{"events_armed_total", map[string]string{"outcome": "opened"}, 25},
		{"events_armed_total", map[string]string{"outcome": "opened", "source": "a"}, 20},
		{"events_armed_total", map[string]string{"outcome": "unchanged"}, 0},
		{"windows_open", nil, 25},
		{"windows", nil, 0},
	} {
		if got := Sum(samples, test.name, test.labels); got != test.want {
			t.Errorf("%s%v: got %v, want %v", test.name, test.labels, got, test.want)
		}
	}
}

func TestParseRefusesWhatIsNoSample(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"name", "{a=\"b\"} 1", "name x", "name{a} 1", "name{a=b} 1", "name{a=`b`} 1", "name{a=\"b\" 1", "name{a=\"b\"}"} {
		if _, err := Parse(strings.NewReader(line)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, want %v", line, err, ErrFormat)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(text)
	f.Add("a{b=\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		samples, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range samples {
			if s.Name == "" {
				t.Errorf("a sample without a name in %q", text)
			}
		}
	})
}
