package durability_test

import (
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/durability"
)

func TestADemandIsMetByItsLevelAndHigherOnes(t *testing.T) {
	t.Parallel()
	met := map[string][]durability.Level{
		"warn":       {durability.None, durability.Replicated, durability.Fsync},
		"replicated": {durability.Replicated, durability.Fsync},
		"fsync":      {durability.Fsync},
	}
	for word, want := range met {
		var d durability.Demand
		if err := d.UnmarshalText([]byte(word)); err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		if d.String() != word {
			t.Errorf("%s is printed as %s", word, d)
		}
		var got int
		for _, l := range []durability.Level{durability.None, durability.Replicated, durability.Fsync} {
			if d.Met(l) {
				got++
			}
		}
		for _, l := range want {
			if !d.Met(l) {
				t.Errorf("%s is not met by %s", word, l)
			}
		}
		if got != len(want) {
			t.Errorf("%s is met by %d levels, want %d", word, got, len(want))
		}
	}
}

func TestConfigurationSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	for name, tc := range map[string]struct {
		env  map[string]string
		want string // "" for a valid one
	}{
		"defaults":          {nil, ""},
		"all":               {map[string]string{"DURABILITY": "fsync", "NATS_MONITOR_URL": "http://a:8222, https://b:8222/varz", "DURABILITY_CHECK_INTERVAL": "5s"}, ""},
		"another level":     {map[string]string{"DURABILITY": "always"}, "DURABILITY"},
		"in capitals":       {map[string]string{"DURABILITY": "FSYNC"}, "DURABILITY"},
		"no scheme":         {map[string]string{"NATS_MONITOR_URL": "nats:8222"}, "NATS_MONITOR_URL"},
		"another scheme":    {map[string]string{"NATS_MONITOR_URL": "nats://nats:8222"}, "NATS_MONITOR_URL"},
		"no host":           {map[string]string{"NATS_MONITOR_URL": "http:///varz"}, "NATS_MONITOR_URL"},
		"a query":           {map[string]string{"NATS_MONITOR_URL": "http://nats:8222/jsz?config=1"}, "NATS_MONITOR_URL"},
		"an empty item":     {map[string]string{"NATS_MONITOR_URL": "http://nats:8222,"}, "NATS_MONITOR_URL"},
		"a broken password": {map[string]string{"NATS_MONITOR_URL": "http://u:" + password + "%@nats:8222"}, "NATS_MONITOR_URL"},
		"too many":          {map[string]string{"NATS_MONITOR_URL": strings.Repeat("http://nats:8222,", 16) + "http://nats:8222"}, "more than 16"},
		"too often":         {map[string]string{"DURABILITY_CHECK_INTERVAL": "10ms"}, "DURABILITY_CHECK_INTERVAL"},
		"too rarely":        {map[string]string{"DURABILITY_CHECK_INTERVAL": "24h"}, "DURABILITY_CHECK_INTERVAL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c durability.Config
			err := config.Load(t.Context(), config.Map(tc.env), &c)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got the error %v, want one about %s", err, tc.want)
			case err != nil && strings.Contains(err.Error(), password):
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestDefaultsWarnOnceAMinute(t *testing.T) {
	t.Parallel()
	var c durability.Config
	if err := config.Load(t.Context(), config.Map(nil), &c); err != nil {
		t.Fatal(err)
	}
	if c.Demand != durability.Warn || c.CheckInterval != time.Minute || c.MonitorURL.IsSet() {
		t.Errorf("the defaults are %v, %v and an endpoint: %v", c.Demand, c.CheckInterval, c.MonitorURL.IsSet())
	}
}
