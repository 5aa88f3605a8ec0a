package source_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sethvargo/go-envconfig"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

var (
	defaults = source.Defaults{QuietPeriod: 15 * time.Second, MaxWait: 2 * time.Minute}
	all      = source.Need{ERP: true, Webhook: true}
)

// variables are those of one complete source called erp, with changes; an empty value removes a variable.
func variables(changes map[string]string) map[string]string {
	env := map[string]string{
		"SOURCES": "erp", "SOURCE_ERP_PROFILE": "generic", "SOURCE_ERP_HOST": "https://erp.example/api/",
		"SOURCE_ERP_API_KEY": "topsecret-key", "SOURCE_ERP_WEBHOOK_SECRET": "topsecret-hook",
	}
	maps.Copy(env, changes)
	return env
}

func TestLoadReadsEveryVariable(t *testing.T) {
	t.Parallel()
	sources, err := source.Load(t.Context(), config.Map(map[string]string{
		"SOURCES":           "north, south-2",
		"SOURCE_NORTH_HOST": "https://app.powercloud.de", "SOURCE_NORTH_PROFILE": "powercloud", "SOURCE_NORTH_API_USER": "u", "SOURCE_NORTH_API_PASSWORD": "p",
		"SOURCE_NORTH_HASH": "0f", "SOURCE_NORTH_ENNEO_ID": "N-{id}", "SOURCE_NORTH_WEBHOOK_SECRET": "s", "SOURCE_NORTH_WEBHOOK_AUTH": "path,basic,ip",
		"SOURCE_NORTH_WEBHOOK_SECRET_PREVIOUS": "r", "SOURCE_NORTH_WEBHOOK_IPS": "192.0.2.7, 2001:db8::/48", "SOURCE_NORTH_WEBHOOK_RATE": "2.5",
		"SOURCE_NORTH_QUIET_PERIOD": "500ms", "SOURCE_NORTH_MAX_WAIT": "5s", "SOURCE_NORTH_URGENT_TYPES": "a,b", "SOURCE_NORTH_MIN_AGE": "1s",
		"SOURCE_NORTH_RATE": "0.5", "SOURCE_NORTH_CONCURRENCY": "2", "SOURCE_NORTH_TIMEOUT": "7s",
		"SOURCE_SOUTH_2_PROFILE": "generic", "SOURCE_SOUTH_2_HOST": "http://localhost:8070/generic", "SOURCE_SOUTH_2_API_KEY": "k", "SOURCE_SOUTH_2_WEBHOOK_AUTH": "none",
	}), defaults, all)
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 2 {
		t.Fatalf("%d sources", len(sources))
	}
	north, south := sources[0], sources[1]
	if north.Profile.Name() != "powercloud" || north.Host.String() != "https://app.powercloud.de" || south.Host.Path != "/generic" {
		t.Errorf("profile %s, hosts %s and %s", north.Profile.Name(), north.Host, south.Host)
	}
	north.Profile, north.Host = nil, nil
	want := &source.Source{
		Name: "north", Auth: profile.ContextBasic, APIUser: "u", APIPassword: "p", Hash: "0f", EnneoID: "N-{id}", WebhookSecret: "s", WebhookSecretPrevious: "r",
		WebhookAuth: []string{"path", "basic", "ip"}, WebhookIPs: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/48")},
		WebhookRate: 2.5, QuietPeriod: 500 * time.Millisecond, MaxWait: 5 * time.Second, UrgentTypes: []string{"a", "b"},
		MinAge: time.Second, Rate: 0.5, Concurrency: 2, Timeout: 7 * time.Second,
	}
	if diff := cmp.Diff(want, north, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("north (-want +got):\n%s", diff)
	}
	if south.Name != "south-2" || south.Auth != profile.Bearer || south.QuietPeriod != defaults.QuietPeriod || south.MaxWait != defaults.MaxWait ||
		south.EnneoIDFor("7") != "7" || south.WebhookRate != 0 || south.Timeout != 30*time.Second || south.Rate != 5 || south.Concurrency != 4 {
		t.Errorf("south has other defaults: %+v", south)
	}
	if got := want.EnneoIDFor("{id}"); got != "N-{id}" {
		t.Errorf("EnneoIDFor({id}) = %s", got)
	}
}

func TestLoadReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		changes map[string]string
		want    []string // each is in the error; none for no error
	}{
		{"complete", nil, nil},
		{"no sources", map[string]string{"SOURCES": ""}, []string{"SOURCES: required"}},
		{"a bad name", map[string]string{"SOURCES": "erp,My_ERP"}, []string{`SOURCES: "My_ERP": source name must be`}},
		{"a name twice", map[string]string{"SOURCES": "erp,erp"}, []string{"SOURCES: erp stands twice"}},
		{"a source without settings", map[string]string{"SOURCES": "erp,other"}, []string{"SOURCES: names other, but no variable SOURCE_OTHER_"}},
		{"settings without a source", map[string]string{"SOURCE_ERB_HOST": "x"}, []string{"SOURCE_ERB_HOST: unknown variable; did you mean SOURCE_ERP_HOST?"}},
		{"a typing error", map[string]string{"SOURCE_ERP_TIMEUOT": "1s"}, []string{"did you mean SOURCE_ERP_TIMEOUT?"}},
		{"no profile", map[string]string{"SOURCE_ERP_PROFILE": ""}, []string{"SOURCE_ERP_PROFILE: required"}},
		{"an unknown profile", map[string]string{"SOURCE_ERP_PROFILE": "sap"}, []string{`SOURCE_ERP_PROFILE: profile "sap"`}},
		{"no host", map[string]string{"SOURCE_ERP_HOST": ""}, []string{"SOURCE_ERP_HOST: required"}},
		{"a host without scheme", map[string]string{"SOURCE_ERP_HOST": "erp.example"}, []string{"SOURCE_ERP_HOST: must begin with https://"}},
		{"a host with a port and no scheme", map[string]string{"SOURCE_ERP_HOST": "erp:443"}, []string{"SOURCE_ERP_HOST: must begin with https://"}},
		{"a host of another scheme", map[string]string{"SOURCE_ERP_HOST": "ftp://erp"}, []string{"SOURCE_ERP_HOST: must begin with https://"}},
		{"a host with credentials", map[string]string{"SOURCE_ERP_HOST": "https://u:topsecret@erp"}, []string{"SOURCE_ERP_HOST: must not hold credentials"}},
		{"a host that cannot be parsed", map[string]string{"SOURCE_ERP_HOST": "https://u:topsecret@erp:port"}, []string{"SOURCE_ERP_HOST: must begin"}},
		{"a host with a query", map[string]string{"SOURCE_ERP_HOST": "https://erp?a=b"}, []string{"SOURCE_ERP_HOST: must not have a query"}},
		{"no key", map[string]string{"SOURCE_ERP_API_KEY": ""}, []string{"SOURCE_ERP_API_KEY: required, but not set or empty, but the scheme bearer needs it"}},
		{"no webhook secret", map[string]string{"SOURCE_ERP_WEBHOOK_SECRET": ""}, []string{"SOURCE_ERP_WEBHOOK_SECRET: required", "SOURCE_ERP_WEBHOOK_AUTH=none"}},
		{"none with others", map[string]string{"SOURCE_ERP_WEBHOOK_AUTH": "none,path"}, []string{"none cannot be combined"}},
		{"no such method", map[string]string{"SOURCE_ERP_WEBHOOK_AUTH": "magic"}, []string{`SOURCE_ERP_WEBHOOK_AUTH: "magic" is no method`}},
		{"a quiet period of zero", map[string]string{"SOURCE_ERP_QUIET_PERIOD": "0s"}, []string{"SOURCE_ERP_QUIET_PERIOD: 0s is not positive"}},
		{"a quiet period as long as the max wait", map[string]string{"SOURCE_ERP_QUIET_PERIOD": "2m"}, []string{"SOURCE_ERP_QUIET_PERIOD: 2m0s must be shorter"}},
		{"a max wait below the default quiet period", map[string]string{"SOURCE_ERP_MAX_WAIT": "10s"}, []string{"SOURCE_ERP_QUIET_PERIOD: 15s must be shorter"}},
		{"a duration without unit", map[string]string{"SOURCE_ERP_TIMEOUT": "30"}, []string{`SOURCE_ERP_TIMEOUT="30"`}},
		{"a template without id", map[string]string{"SOURCE_ERP_ENNEO_ID": "x"}, []string{"SOURCE_ERP_ENNEO_ID"}},
		{"a template with two ids", map[string]string{"SOURCE_ERP_ENNEO_ID": "{id}{id}"}, []string{"SOURCE_ERP_ENNEO_ID"}},
		{"a template that is too long", map[string]string{"SOURCE_ERP_ENNEO_ID": strings.Repeat("x", 50) + "{id}"}, []string{"SOURCE_ERP_ENNEO_ID"}},
		{"numbers out of range", map[string]string{"SOURCE_ERP_RATE": "NaN", "SOURCE_ERP_CONCURRENCY": "0", "SOURCE_ERP_TIMEOUT": "11m", "SOURCE_ERP_MIN_AGE": "-1s"}, []string{
			"SOURCE_ERP_RATE", "SOURCE_ERP_CONCURRENCY", "SOURCE_ERP_TIMEOUT", "SOURCE_ERP_MIN_AGE",
		}},
		{"several sources", map[string]string{"SOURCES": "erp,two", "SOURCE_ERP_RATE": "0", "SOURCE_TWO_PROFILE": "x", "SOURCE_THREE_HOST": "x"}, []string{
			"SOURCE_ERP_RATE", "SOURCE_TWO_PROFILE", "SOURCE_TWO_HOST", "SOURCE_TWO_WEBHOOK_SECRET", "SOURCE_THREE_HOST: unknown variable",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := source.Load(t.Context(), config.Map(variables(tc.changes)), defaults, all)
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			if text := fmt.Sprint(err); strings.Contains(text, "topsecret") {
				t.Errorf("the error shows a secret:\n%s", text)
			}
		})
	}
}

func TestLoadDemandsOnlyWhatTheServiceNeeds(t *testing.T) {
	t.Parallel()
	bare := map[string]string{"SOURCES": "erp", "SOURCE_ERP_PROFILE": "generic"}
	for _, tc := range []struct {
		name string
		need source.Need
		want []string
	}{
		{"neither", source.Need{}, nil},
		{"the ERP", source.Need{ERP: true}, []string{"SOURCE_ERP_HOST", "SOURCE_ERP_API_KEY"}},
		{"webhooks", source.Need{Webhook: true}, []string{"SOURCE_ERP_WEBHOOK_SECRET"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := source.Load(t.Context(), config.Map(bare), defaults, tc.need)
			var named []string
			for line := range strings.SplitSeq(fmt.Sprint(err), "\n") {
				if name, _, ok := strings.Cut(line, ":"); ok {
					named = append(named, name)
				}
			}
			if diff := cmp.Diff(tc.want, named); diff != "" {
				t.Errorf("variables named (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheCredentialsChooseTheScheme(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		changes map[string]string
		want    profile.Scheme
		wantErr string
	}{
		{"powercloud with a key alone", map[string]string{"PROFILE": "powercloud"}, profile.Header, ""},
		{"powercloud with user, password and hash", map[string]string{"PROFILE": "powercloud", "API_KEY": "", "API_USER": "u", "API_PASSWORD": "p", "HASH": "0f"}, profile.ContextBasic, ""},
		{"powercloud with user, key and hash", map[string]string{"PROFILE": "powercloud", "API_USER": "u", "HASH": "0f"}, profile.ContextBasic, ""},
		{"powercloud without hash", map[string]string{"PROFILE": "powercloud", "API_USER": "u"}, "", "SOURCE_ERP_HASH: required"},
		{"powercloud without anything", map[string]string{"PROFILE": "powercloud", "API_KEY": ""}, "", "SOURCE_ERP_API_USER: required"},
		{"powercloud with a scheme by name", map[string]string{"PROFILE": "powercloud", "AUTH": "query"}, profile.Query, ""},
		{"basic by name, without a hash", map[string]string{"PROFILE": "powercloud", "AUTH": "basic", "API_USER": "u"}, profile.Basic, ""},
		{"basic without a user", map[string]string{"AUTH": "basic"}, "", "SOURCE_ERP_API_USER: required"},
		{"a user with a colon", map[string]string{"AUTH": "basic", "API_USER": "a:b"}, "", "SOURCE_ERP_API_USER: must not contain a colon"},
		{"generic with a user", map[string]string{"API_USER": "u", "API_PASSWORD": "p"}, profile.Basic, ""},
		{"a scheme the profile does not offer", map[string]string{"AUTH": "context_basic"}, "", `SOURCE_ERP_AUTH: "context_basic" is not offered`},
		{"lynqtech with a key", map[string]string{"PROFILE": "lynqtech"}, profile.Header, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			changes := map[string]string{}
			for name, value := range tc.changes {
				changes["SOURCE_ERP_"+name] = value
			}
			sources, err := source.Load(t.Context(), config.Map(variables(changes)), defaults, all)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("error %v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil || sources[0].Auth != tc.want {
				t.Fatalf("sources %v, error %v, want the scheme %s", sources, err, tc.want)
			}
		})
	}
}

func TestAVariableBelongsToTheLongestName(t *testing.T) {
	t.Parallel()
	sources, err := source.Load(t.Context(), config.Map(map[string]string{
		"SOURCES":          "a,a-webhook,a-b",
		"SOURCE_A_PROFILE": "generic", "SOURCE_A_HOST": "https://a.example",
		"SOURCE_A_B_PROFILE": "generic", "SOURCE_A_B_HOST": "https://b.example",
		"SOURCE_A_WEBHOOK_PROFILE": "powercloud", "SOURCE_A_WEBHOOK_AUTH": "query", "SOURCE_A_WEBHOOK_SECRET": "s",
	}), defaults, source.Need{})
	if err != nil {
		t.Fatal(err)
	}
	if got := sources[0].WebhookAuth; !cmp.Equal(got, []string{"header", "bearer", "path"}) {
		t.Errorf("a took the AUTH of a-webhook: %q", got)
	}
	if sources[0].WebhookSecret != "s" {
		t.Error("a lost its WEBHOOK_SECRET to a-webhook, which has no variable SECRET")
	}
	if sources[1].Auth != profile.Query || sources[2].Host.Host != "b.example" || sources[0].Host.Host != "a.example" {
		t.Errorf("scheme %s, hosts %s and %s", sources[1].Auth, sources[0].Host, sources[2].Host)
	}
}

func TestLoadWorksWithoutAListOfVariables(t *testing.T) {
	t.Parallel()
	env := envconfig.MapLookuper(variables(map[string]string{"SOURCE_ERP_UNKNOWN": "x"}))
	if sources, err := source.Load(t.Context(), env, defaults, all); err != nil || len(sources) != 1 {
		t.Errorf("Load = %v, %v", sources, err)
	}
}

func TestAProfileFileIsNamedInItsErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("name: mine\nnonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := source.Load(t.Context(), config.Map(variables(map[string]string{"SOURCE_ERP_PROFILE": file})), defaults, all)
	if err == nil || !strings.Contains(err.Error(), "mine.yaml:2: ") {
		t.Errorf("error = %v", err)
	}
}

func TestCheckDisjoint(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		templates []string
		declared  bool
		overlap   bool
	}{
		{"a single source", []string{"{id}"}, false, false},
		{"the same template", []string{"{id}", "{id}"}, false, true},
		{"declared", []string{"{id}", "{id}"}, true, false},
		{"different prefixes", []string{"A-{id}", "B-{id}"}, false, false},
		{"one has a prefix, the other none", []string{"A-{id}", "{id}"}, false, true},
		{"one prefix begins with the other", []string{"A-{id}", "A-B-{id}"}, false, true},
		{"different suffixes", []string{"{id}/1", "{id}/2"}, false, false},
		{"one suffix ends with the other", []string{"{id}-1", "{id}1"}, false, true},
		{"a prefix and a suffix", []string{"A{id}", "{id}B"}, false, true},
		{"the same prefix, different suffixes", []string{"A{id}x", "A{id}y"}, false, false},
		{"two of three", []string{"A{id}", "B{id}", "AB{id}"}, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var sources []*source.Source
			for i, template := range tc.templates {
				sources = append(sources, &source.Source{Name: fmt.Sprintf("s%d", i), EnneoID: template})
			}
			if err := source.CheckDisjoint(sources, tc.declared); errors.Is(err, source.ErrOverlap) != tc.overlap {
				t.Errorf("CheckDisjoint = %v, want overlap %t", err, tc.overlap)
			}
		})
	}
}

func TestASourceDoesNotShowItsSecrets(t *testing.T) {
	t.Parallel()
	sources, err := source.Load(t.Context(), config.Map(variables(map[string]string{"SOURCE_ERP_WEBHOOK_SECRET_PREVIOUS": "topsecret-old"})), defaults, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(format, *sources[0]); strings.Contains(text, "topsecret") {
			t.Errorf("%s shows a secret: %s", format, text)
		}
	}
}
