package ingestor

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func TestOnlyWhoProvesToBeTheSourceIsHeard(t *testing.T) {
	t.Parallel()
	const secret = "wh-s3cret/ü"
	changes := map[string]string{"SOURCES": "any,header,bearer,path,basic,two,none,acme", "TRUSTED_PROXIES": "127.0.0.1"}
	for source, ways := range map[string]string{
		"ANY": "", "HEADER": "header", "BEARER": "bearer", "PATH": "path", "BASIC": "basic", "TWO": "header,basic", "NONE": "none",
	} {
		changes["SOURCE_"+source+"_PROFILE"] = "generic"
		changes["SOURCE_"+source+"_WEBHOOK_SECRET"] = secret
		if ways != "" {
			changes["SOURCE_"+source+"_WEBHOOK_AUTH"] = ways
		}
	}
	server := startNATS(t)
	env := environment(server.URL(), changes)
	for _, name := range []string{"SOURCE_OTHER_PROFILE", "SOURCE_OTHER_WEBHOOK_AUTH", "SOURCE_HOOKS_PROFILE", "SOURCE_HOOKS_WEBHOOK_AUTH"} {
		delete(env, name)
	}
	s := begin(t, env, Run)
	s.accepting(t)
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	// Each stranger has an address of its own, so that it is not told to wait for what the others did.
	strangers := 0
	from := func(headers ...string) []string {
		strangers++
		return append([]string{"X-Forwarded-For", fmt.Sprintf("2001:db8:0:%x::1", strangers)}, headers...)
	}
	const escaped = "/wh-s3cret%2F%C3%BC"
	for name, tc := range map[string]struct {
		path    string // after the source
		headers []string
		allowed string // the sources that accept it, apart from none, which accepts everything
	}{
		"nothing":                {"", nil, ""},
		"header":                 {"", []string{"X-Webhook-Secret", secret}, "any header two"},
		"bearer":                 {"", []string{"Authorization", "Bearer " + secret}, "any bearer"},
		"bearer, lower case":     {"", []string{"Authorization", "bearer  " + secret}, "any bearer"},
		"path":                   {escaped, nil, "any path"},
		"basic":                  {"", []string{"Authorization", basic("anybody", secret)}, "basic two"},
		"basic, as user":         {"", []string{"Authorization", basic(secret, "")}, ""},
		"right and wrong":        {"/wrong", []string{"X-Webhook-Secret", secret, "Authorization", "Bearer wrong"}, "any header two"},
		"wrong header":           {"", []string{"X-Webhook-Secret", "wrong"}, ""},
		"empty header":           {"", []string{"X-Webhook-Secret", ""}, ""},
		"wrong bearer":           {"", []string{"Authorization", "Bearer wrong"}, ""},
		"bearer without a word":  {"", []string{"Authorization", "Bearer"}, ""},
		"wrong path":             {"/wrong", nil, ""},
		"wrong password":         {"", []string{"Authorization", basic("anybody", "wrong")}, ""},
		"malformed basic":        {"", []string{"Authorization", "Basic *"}, ""},
		"beginning of it":        {"", []string{"X-Webhook-Secret", secret[:5]}, ""},
		"more than it":           {"", []string{"X-Webhook-Secret", secret + "x"}, ""},
		"other case":             {"", []string{"X-Webhook-Secret", strings.ToUpper(secret)}, ""},
		"in the wrong scheme":    {"", []string{"Authorization", "Digest " + secret}, ""},
		"the scheme as a secret": {"", []string{"Authorization", secret}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, source := range []string{"any", "header", "bearer", "path", "basic", "two", "none"} {
				want := 401
				if source == "none" || strings.Contains(" "+tc.allowed+" ", " "+source+" ") {
					want = 202
				}
				got := s.post(t, "/webhooks/"+source+tc.path, typeJSON, `{"contractId":"4711"}`, from(tc.headers...)...)
				if got.status != want {
					t.Errorf("%s: answered %d %s, want %d", source, got.status, got.body, want)
				}
				if want != 401 {
					continue
				}
				p := got.problem(t)
				if p.Type != "urn:enneo-bridge:problem:unauthenticated" || !strings.Contains(p.Detail, "missing or wrong") || got.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s: problem %+v", source, p)
				}
				for _, line := range append([]string{got.body}, got.header["Www-Authenticate"]...) {
					if strings.Contains(line, "s3cret") {
						t.Errorf("%s: the answer shows the secret: %s", source, line)
					}
				}
			}
		})
	}
	t.Run("events", func(t *testing.T) {
		const ev = `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"4711"}`
		for headerSecret, want := range map[string]int{secret: 202, "wrong": 401} {
			if got := s.post(t, "/events/header", mediaEvent, ev, from("X-Webhook-Secret", headerSecret)...); got.status != want {
				t.Errorf("answered %d %s, want %d", got.status, got.body, want)
			}
		}
	})
	t.Run("a body that is not read", func(t *testing.T) {
		if got := s.post(t, "/webhooks/header", "?;;", strings.Repeat("x", 600_000), from()...); got.status != 401 {
			t.Errorf("answered %d to a stranger, want 401 before anything of the body is looked at", got.status)
		}
	})
	if strings.Contains(s.log.String(), "s3cret") {
		t.Error("the log shows the secret")
	}
}
