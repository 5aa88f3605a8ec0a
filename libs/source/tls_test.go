package source_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// lone is the environment of one source with additions.
func lone(additions map[string]string) config.Environment {
	env := map[string]string{
		"SOURCES": "erp", "SOURCE_ERP_PROFILE": "generic", "SOURCE_ERP_HOST": "https://erp.example", "SOURCE_ERP_API_KEY": "k",
	}
	for k, v := range additions {
		env["SOURCE_ERP_"+k] = v
	}
	return config.Map(env)
}

func TestAnERPWithItsOwnAuthorityIsTrustedByItsFile(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id":"1","customerId":"2","business":false,"lastname":"Mustermann","company":null}`)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, file string
		trusted    bool
	}{{"with its file", file, true}, {"without", "", false}} {
		sources, err := source.Load(t.Context(), lone(map[string]string{"HOST": server.URL, "CA_FILE": tc.file}), defaults, source.Need{ERP: true})
		if err != nil {
			t.Fatal(err)
		}
		c := erp.New(sources[0])
		t.Cleanup(c.CloseIdle)
		if _, err := c.Get(t.Context(), key.Contract, "1"); (err == nil) != tc.trusted {
			t.Errorf("%s: Get = %v, want trust: %t", tc.name, err, tc.trusted)
		}
	}
}

func TestWhatIsWrongWithTokensAndAuthorities(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		env  map[string]string
		want []string
	}{
		{map[string]string{"AUTH": "oauth2"}, []string{"SOURCE_ERP_API_USER", "SOURCE_ERP_TOKEN_URL"}},
		{map[string]string{"TOKEN_URL": "https://user:hunter2@login.example/token"}, []string{"SOURCE_ERP_TOKEN_URL: must begin with https://"}},
		{map[string]string{"TOKEN_URL": "login.example"}, []string{"SOURCE_ERP_TOKEN_URL: must begin with https://"}},
		{map[string]string{"CA_FILE": empty}, []string{"SOURCE_ERP_CA_FILE", "holds no certificate"}},
		{map[string]string{"CA_FILE": filepath.Join(empty, "none")}, []string{"SOURCE_ERP_CA_FILE: open"}},
	} {
		_, err := source.Load(t.Context(), lone(tc.env), defaults, source.Need{ERP: true})
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v: Load = %v, want %q and no secret", tc.env, err, want)
			}
		}
	}
}

func TestATokenEndpointChoosesOAuth2(t *testing.T) {
	t.Parallel()
	sources, err := source.Load(t.Context(), lone(map[string]string{
		"TOKEN_URL": "https://login.example/token", "API_USER": "id:with-colon", "API_PASSWORD": "p", "TOKEN_SCOPES": "read,list",
	}), defaults, source.Need{ERP: true})
	if err != nil {
		t.Fatal(err)
	}
	s := sources[0]
	if s.Auth != profile.OAuth2 || s.TokenURL.String() != "https://login.example/token" || len(s.TokenScopes) != 2 {
		t.Errorf("source = %+v, want oauth2 at that endpoint with two scopes", s)
	}
}
