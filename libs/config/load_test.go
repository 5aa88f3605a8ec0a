package config_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
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
)

var update = flag.Bool("update", false, "write the golden files")

type windows struct {
	Quiet   time.Duration `env:"QUIET_PERIOD, default=15s" desc:"How long a key must be quiet, as a duration."`
	MaxWait time.Duration `env:"MAX_WAIT, default=2m" desc:"The longest wait from the first event, as a duration."`
}

func (w *windows) Validate() error {
	var errs []error
	if w.Quiet <= 0 {
		errs = append(errs, fmt.Errorf("QUIET_PERIOD=%s: must be positive; write for example 15s", w.Quiet))
	}
	if w.Quiet >= w.MaxWait {
		errs = append(errs, fmt.Errorf("QUIET_PERIOD=%s: must be shorter than MAX_WAIT=%s; lower it", w.Quiet, w.MaxWait))
	}
	return errors.Join(errs...)
}

type settings struct {
	URL      string                   `env:"URL, default=http://localhost|x" desc:"Address."`
	Replicas uint8                    `env:"REPLICAS, default=3" desc:"Number of replicas."`
	Offset   int                      `env:"OFFSET" desc:"Offset in bytes, may be negative."`
	Ratio    float64                  `env:"RATIO, default=0.5" desc:"Share from 0 to 1."`
	Verbose  bool                     `env:"VERBOSE" desc:"Whether to talk much."`
	Names    []string                 `env:"NAMES, default=a,b" desc:"Names."`
	Ports    []int                    `env:"PORTS, delimiter=;" desc:"Ports."`
	Limits   map[string]int           `env:"LIMITS" desc:"Limit per name."`
	Level    slog.Level               `env:"LEVEL, default=info" desc:"Log level."`
	Peer     netip.Addr               `env:"PEER" desc:"Address of the peer."`
	Token    config.Secret            `env:"TOKEN, required" desc:"Token of the API."`
	Keys     []config.Secret          `env:"KEYS" desc:"Keys that are accepted."`
	Pins     map[string]config.Secret `env:"PINS" desc:"Pin per name."`
	Optional *int                     `env:"OPTIONAL, noinit" desc:"A number or nothing."`
	Default  windows                  `env:", prefix=DEBOUNCE_"`
	Deep     struct {
		Inner windows `env:", prefix=INNER_"`
	} `env:", prefix=DEEP_"`
	Filled   string // filled by the program, no variable
	internal int
}

var compare = cmp.Options{cmpopts.IgnoreUnexported(settings{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}

func TestLoadReadsEveryKindOfField(t *testing.T) {
	t.Parallel()
	got := settings{Filled: "by the program", internal: 1}
	err := config.Load(t.Context(), config.Map(map[string]string{
		"URL": "https://erp.example", "REPLICAS": "5", "OFFSET": "-0x10", "RATIO": "0.25", "VERBOSE": "true",
		"NAMES": "x, y", "PORTS": "1;2", "LIMITS": "a:1,b:2", "LEVEL": "WARN", "PEER": "192.0.2.1",
		"TOKEN": hidden, "KEYS": "k1,k2", "PINS": "a:1234", "OPTIONAL": "7",
		"DEBOUNCE_QUIET_PERIOD": "250ms", "DEEP_INNER_MAX_WAIT": "1h",
	}), &got)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	seven := 7
	want := settings{
		URL: "https://erp.example", Replicas: 5, Offset: -16, Ratio: 0.25, Verbose: true,
		Names: []string{"x", "y"}, Ports: []int{1, 2}, Limits: map[string]int{"a": 1, "b": 2}, Level: slog.LevelWarn,
		Peer: netip.MustParseAddr("192.0.2.1"), Token: hidden, Keys: []config.Secret{"k1", "k2"},
		Pins: map[string]config.Secret{"a": "1234"}, Optional: &seven,
		Default: windows{Quiet: 250 * time.Millisecond, MaxWait: 2 * time.Minute}, Filled: "by the program",
	}
	want.Deep.Inner = windows{Quiet: 15 * time.Second, MaxWait: time.Hour}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	if got.internal != 1 {
		t.Errorf("Load touched an unexported field: %d", got.internal)
	}
}

func TestLoadPrecedence(t *testing.T) {
	t.Parallel()
	type target struct {
		Wait  time.Duration `env:"WAIT, default=1s" desc:"Wait."`
		Count int           `env:"COUNT" desc:"Count."`
	}
	for name, tc := range map[string]struct {
		before target
		env    map[string]string
		want   target
	}{
		"the tag's default fills a zero field":                {want: target{Wait: time.Second}},
		"the program's value beats the tag's default":         {before: target{Wait: 5, Count: 5}, want: target{Wait: 5, Count: 5}},
		"the environment beats the program's value":           {before: target{Wait: 5, Count: 5}, env: map[string]string{"WAIT": "7ns", "COUNT": "7"}, want: target{Wait: 7, Count: 7}},
		"a zero in the environment beats the program's value": {before: target{Count: 5}, env: map[string]string{"COUNT": "0", "WAIT": "0s"}, want: target{}},
		"an empty variable is one that is not set":            {env: map[string]string{"WAIT": "", "COUNT": ""}, want: target{Wait: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tc.before
			if err := config.Load(t.Context(), config.Map(tc.env), &got); err != nil {
				t.Fatalf("Load: %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Load (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	env := config.Map(map[string]string{
		"REPLICAS": "256", "OFFSET": "ten", "RATIO": "half", "VERBOSE": "maybe", "PORTS": "1;two", "LIMITS": "a",
		"LEVEL": "loud", "PEER": "nowhere", "TOKEN": "", "PINS": "leaked-pin", "OPTIONAL": "1e3",
		"DEBOUNCE_QUIET_PERIOD": "15", "DEEP_INNER_QUIET_PERIOD": "0s", "DEEP_INNER_MAX_WAIT": "-1s",
	})
	err := config.Load(t.Context(), env, new(settings))
	golden(t, "errors.golden.txt", fmt.Sprintln(err))
	if !errors.Is(err, config.ErrMissing) {
		t.Error("the missing variable is not recognisable with errors.Is(err, ErrMissing)")
	}
}

func TestLoadNamesTheWholeVariableUnderAPrefixLookuper(t *testing.T) {
	t.Parallel()
	env := envconfig.PrefixLookuper("SOURCE_ERP_", config.Map(map[string]string{
		"SOURCE_ERP_QUIET_PERIOD": "3m", "SOURCE_BAD_QUIET_PERIOD": "x",
	}))
	var got windows
	want := "SOURCE_ERP_*: QUIET_PERIOD=3m0s: must be shorter than MAX_WAIT=2m0s; lower it"
	if err := config.Load(t.Context(), env, &got); err == nil || err.Error() != want {
		t.Errorf("Load = %v, want %s", err, want)
	}
	var required struct {
		Host string `env:"HOST, required" desc:"Scheme and host."`
	}
	want = "SOURCE_ERP_HOST: required, but not set or empty; set it: Scheme and host."
	if err := config.Load(t.Context(), env, &required); err == nil || err.Error() != want {
		t.Errorf("Load = %v, want %s", err, want)
	}
}

func TestNestedStructsInheritOptions(t *testing.T) {
	t.Parallel()
	var target struct {
		Outer struct {
			Names []string `env:"NAMES" desc:"Names."`
		} `env:", prefix=OUTER_, required, delimiter=;"`
	}
	if err := config.Load(t.Context(), config.Map(nil), &target); !errors.Is(err, config.ErrMissing) {
		t.Errorf("Load = %v, want ErrMissing, inherited from the outer tag", err)
	}
	if err := config.Load(t.Context(), config.Map(map[string]string{"OUTER_NAMES": "a;b"}), &target); err != nil {
		t.Fatalf("Load: %v", err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, target.Outer.Names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestValidateIsNotCalledOnAHalfReadStruct(t *testing.T) {
	t.Parallel()
	var got settings
	err := config.Load(t.Context(), config.Map(map[string]string{
		"TOKEN": "t", "DEBOUNCE_QUIET_PERIOD": "x", "DEBOUNCE_MAX_WAIT": "-1s",
	}), &got)
	want := `DEBOUNCE_QUIET_PERIOD="x": cannot be read; write a number with its unit, for example 500ms, 15s or 2h`
	if err == nil || err.Error() != want {
		t.Errorf("Load = %v, want only: %s", err, want)
	}
}

// outer has a rule of its own besides that of a nested struct.
type outer struct {
	Shards  int `env:"SHARDS, default=0" desc:"Number of parts."`
	Windows windows
}

func (o *outer) Validate() error {
	if o.Shards < 1 {
		return fmt.Errorf("SHARDS: %d is not positive", o.Shards)
	}
	return nil
}

func TestEveryRuleIsCheckedEvenIfANestedOneIsBroken(t *testing.T) {
	t.Parallel()
	err := config.Load(t.Context(), envconfig.MapLookuper(map[string]string{"QUIET_PERIOD": "-1s", "MAX_WAIT": "1s"}), &outer{})
	if err == nil || !strings.Contains(err.Error(), "QUIET_PERIOD") || !strings.Contains(err.Error(), "SHARDS") {
		t.Errorf("Load = %v, want what is wrong with QUIET_PERIOD and with SHARDS", err)
	}
}

type embedded struct{ windows }

type private struct {
	//nolint:unused // The tag on it is what the test is about.
	value int `env:"VALUE" desc:"A value."`
}

func TestLoadRefusesStructsThatItCannotFill(t *testing.T) {
	t.Parallel()
	text := ""
	for name, tc := range map[string]struct {
		target any
		want   string
	}{
		"nil":               {nil, "load configuration into <nil>: target must be a non-nil pointer to a struct"},
		"struct":            {windows{}, "load configuration into config_test.windows: target must be a non-nil pointer to a struct"},
		"nil pointer":       {(*windows)(nil), "load configuration into *config_test.windows: target must be a non-nil pointer to a struct"},
		"pointer to text":   {&text, "load configuration into *string: target must be a non-nil pointer to a struct"},
		"embedded":          {new(embedded), "embedded.windows: a field that is not exported cannot be configured"},
		"unexported":        {new(private), "private.value: a field that is not exported cannot be configured"},
		"pointer to struct": {&struct{ Nested *windows }{}, ".Nested: nested configuration must be a struct, not a pointer"},
		"unknown option": {&struct {
			A string `env:"A, requird"`
		}{}, ".A: tag `env:\"A, requird\"`: \"requird\": unknown option"},
		"required and default": {&struct {
			A string `env:"A, required, default=1"`
		}{}, ".A: tag `env:\"A, required, default=1\"`: field cannot be required and have a default value"},
		"default unreadable": {&struct {
			A int `env:"A, default=x"`
		}{}, ".A: tag `env:\"A, default=x\"`: strconv.ParseInt: parsing \"x\": invalid syntax"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := config.Load(t.Context(), config.Map(nil), tc.target); err == nil || err.Error() != tc.want {
				t.Errorf("Load = %v, want %s", err, tc.want)
			}
		})
	}
}

// Embedded is exported, so that only the embedding is at fault.
type Embedded struct {
	A string `env:"A" desc:"A."`
}

func TestLoadRefusesEmbeddedStructs(t *testing.T) {
	t.Parallel()
	err := config.Load(t.Context(), config.Map(nil), &struct{ Embedded }{})
	if want := ".Embedded: embedded structs are not supported, give the field a name"; err == nil || err.Error() != want {
		t.Errorf("Load = %v, want %s", err, want)
	}
}

func FuzzLoadNeverShowsASecretInAnError(f *testing.F) {
	f.Add("leaked", "x")
	f.Add("a:b,c", "")
	f.Fuzz(func(t *testing.T, secret, number string) {
		const mark = "SECRETMARK"
		var target struct {
			Pins   map[string]config.Secret `env:"PINS" desc:"Pins."`
			Number int                      `env:"NUMBER" desc:"A number."`
		}
		err := config.Load(t.Context(), config.Map(map[string]string{"PINS": mark + secret, "NUMBER": number}), &target)
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), fmt.Sprintf("%q", number), ""), mark) {
			t.Errorf("the error shows the secret: %v", err)
		}
	})
}

// golden compares got with the file in testdata, or writes the file with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestRemediesNameTheBoundsOfSmallIntegers(t *testing.T) {
	t.Parallel()
	var target struct {
		A int8   `env:"A" desc:"A."`
		B uint32 `env:"B" desc:"B."`
		C uint64 `env:"C" desc:"C."`
		D int64  `env:"D" desc:"D."`
		E []byte `env:"E" desc:"E."`
	}
	env := config.Map(map[string]string{"A": "128", "B": "-1", "C": "-1", "D": "x", "E": "bytes"})
	want := `A="128": out of range; write a whole number from -128 to 127
B="-1": cannot be read; write a whole number from 0 to 4294967295
C="-1": cannot be read; write a whole number of at least 0
D="x": cannot be read; write a whole number`
	err := config.Load(t.Context(), env, &target)
	if err == nil {
		t.Fatal("Load accepted everything")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if string(target.E) != "bytes" {
		t.Errorf("E = %q, want the variable that could be read", target.E)
	}
}

func TestNestedStructsNeedNoTag(t *testing.T) {
	t.Parallel()
	var target struct {
		Windows windows
	}
	env := config.Map(map[string]string{"QUIET_PERIOD": "3m"})
	want := "QUIET_PERIOD=3m0s: must be shorter than MAX_WAIT=2m0s; lower it"
	if err := config.Load(t.Context(), env, &target); err == nil || err.Error() != want {
		t.Errorf("Load = %v, want %s", err, want)
	}
	if target.Windows.Quiet != 3*time.Minute {
		t.Errorf("quiet period %s, want 3m", target.Windows.Quiet)
	}
}
