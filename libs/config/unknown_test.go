package config_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

func TestUnknownFindsWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	known := []string{"SOURCE_ERP_HOST", "SOURCE_ERP_RATE", "SOURCE_ERP_API_KEY"}
	for name, tc := range map[string]struct {
		environ []string
		want    string
	}{
		"all known":           {[]string{"SOURCE_ERP_HOST", "SOURCE_ERP_RATE", "PATH", "SOURCES"}, ""},
		"a typing error":      {[]string{"SOURCE_ERP_HOTS"}, "SOURCE_ERP_HOTS: unknown variable; did you mean SOURCE_ERP_HOST?"},
		"nothing like it":     {[]string{"SOURCE_OTHER_THING"}, "SOURCE_OTHER_THING: unknown variable; remove it or look up its name in the documentation"},
		"the value is hidden": {[]string{"SOURCE_ERP_APIKEY=" + hidden}, "SOURCE_ERP_APIKEY: unknown variable; did you mean SOURCE_ERP_API_KEY?"},
		"sorted, each once": {
			[]string{"SOURCE_ERP_ZZZZZZZZ", "SOURCE_ERP_RAT", "SOURCE_ERP_RAT"},
			"SOURCE_ERP_RAT: unknown variable; did you mean SOURCE_ERP_RATE?\n" +
				"SOURCE_ERP_ZZZZZZZZ: unknown variable; remove it or look up its name in the documentation",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := errors.Join(config.Unknown(tc.environ, "SOURCE_", known)...); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Unknown (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOSListsAndLooksUpTheProcessEnvironment(t *testing.T) {
	t.Setenv("CONFIG_TEST_VARIABLE", "a=b")
	env := config.OS()
	if got, ok := env.Lookup("CONFIG_TEST_VARIABLE"); !ok || got != "a=b" {
		t.Errorf("Lookup = %q, %v, want a=b, true", got, ok)
	}
	keys := env.Keys()
	if !slices.Contains(keys, "CONFIG_TEST_VARIABLE") || !slices.IsSorted(keys) {
		t.Errorf("Keys = %v, want them sorted and with CONFIG_TEST_VARIABLE", keys)
	}
}

func TestMapIsACopy(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"B": "2", "A": "1"}
	env := config.Map(variables)
	delete(variables, "A")
	if got, ok := env.Lookup("A"); !ok || got != "1" {
		t.Errorf("Lookup(A) = %q, %v, want 1, true", got, ok)
	}
	if _, ok := env.Lookup("C"); ok {
		t.Error("Lookup(C) found something")
	}
	if diff := cmp.Diff([]string{"A", "B"}, env.Keys()); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
}
