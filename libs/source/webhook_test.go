package source_test

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// signingSecret is a webhook secret for hmac with a key of n bytes.
func signingSecret(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
}

func TestWebhookAuthenticationThatMakesNoSenseIsReportedWithItsRemedy(t *testing.T) {
	t.Parallel()
	const noKey = "is no signing key, but WEBHOOK_AUTH names hmac; write whsec_ and the base64 (with padding) of 24 to 64 random bytes"
	for _, tc := range []struct {
		name    string
		changes map[string]string // what follows SOURCE_ERP_WEBHOOK_
		want    []string          // each is in the error; none for no error
	}{
		{"hmac", map[string]string{"AUTH": "hmac", "SECRET": signingSecret(24)}, nil},
		{"hmac with the longest key", map[string]string{"AUTH": "hmac", "SECRET": signingSecret(64)}, nil},
		{"hmac with a plain secret", map[string]string{"AUTH": "hmac"}, []string{"_SECRET: " + noKey}},
		{"hmac among others", map[string]string{"AUTH": "header,hmac"}, []string{"_SECRET: " + noKey}},
		{"hmac without the prefix", map[string]string{"AUTH": "hmac", "SECRET": signingSecret(32)[6:]}, []string{"_SECRET: " + noKey}},
		{"hmac with another alphabet", map[string]string{"AUTH": "hmac", "SECRET": "whsec_topsecret-topsecret-topsecret-_-"}, []string{"_SECRET: " + noKey}},
		{"hmac without padding", map[string]string{"AUTH": "hmac", "SECRET": strings.TrimRight(signingSecret(32), "=")}, []string{"_SECRET: " + noKey}},
		{"hmac with a short key", map[string]string{"AUTH": "hmac", "SECRET": signingSecret(23)}, []string{"_SECRET: " + noKey}},
		{"hmac with a long key", map[string]string{"AUTH": "hmac", "SECRET": signingSecret(65)}, []string{"_SECRET: " + noKey}},
		{"hmac without a secret", map[string]string{"AUTH": "hmac", "SECRET": ""}, []string{"_SECRET: required"}},
		{"hmac with an old plain secret", map[string]string{"AUTH": "hmac", "SECRET": signingSecret(32), "SECRET_PREVIOUS": "topsecret"}, []string{"_SECRET_PREVIOUS: " + noKey}},
		{"from a plain secret to hmac", map[string]string{"AUTH": "header,hmac", "SECRET": signingSecret(32), "SECRET_PREVIOUS": "topsecret"}, nil},
		{"two secrets", map[string]string{"SECRET_PREVIOUS": "topsecret-old"}, nil},
		{"one secret twice", map[string]string{"SECRET_PREVIOUS": "topsecret-hook"}, []string{"_SECRET_PREVIOUS: is the same as SOURCE_ERP_WEBHOOK_SECRET; set the old secret, or remove"}},
		{"the previous secret alone", map[string]string{"SECRET": "", "SECRET_PREVIOUS": "topsecret"}, []string{"_SECRET: required"}},
		{"a previous secret for nothing", map[string]string{"AUTH": "none", "SECRET_PREVIOUS": "topsecret"}, []string{"_SECRET_PREVIOUS: set, but SOURCE_ERP_WEBHOOK_AUTH names no method with a secret"}},
		{"ip", map[string]string{"AUTH": "ip", "IPS": "192.0.2.0/24", "SECRET": ""}, nil},
		{"ip and a secret", map[string]string{"AUTH": "path,ip", "IPS": "192.0.2.0/24"}, nil},
		{"ip and a secret that is not there", map[string]string{"AUTH": "path,ip", "IPS": "192.0.2.0/24", "SECRET": ""}, []string{"_SECRET: required"}},
		{"ip without a list", map[string]string{"AUTH": "path,ip"}, []string{"_IPS: required, but not set or empty, but SOURCE_ERP_WEBHOOK_AUTH names ip; list the addresses"}},
		{"ip with none", map[string]string{"AUTH": "none,ip", "IPS": "192.0.2.7"}, []string{"_AUTH: none cannot be combined"}},
		{"a list without ip", map[string]string{"IPS": "192.0.2.7"}, []string{"_IPS: set, but SOURCE_ERP_WEBHOOK_AUTH does not name ip", "write SOURCE_ERP_WEBHOOK_AUTH=header,bearer,path,ip"}},
		{"a list with none", map[string]string{"AUTH": "none", "IPS": "192.0.2.7"}, []string{"write SOURCE_ERP_WEBHOOK_AUTH=ip, or"}},
		{"networks that are none", map[string]string{"AUTH": "ip", "IPS": "192.0.2.0/33,erp.example"}, []string{
			`_IPS: "192.0.2.0/33" is neither an address nor a network; write for example`, `_IPS: "erp.example" is neither`,
		}},
		{"a negative rate", map[string]string{"RATE": "-1"}, []string{"_RATE: -1 is not a number of requests per second; write a positive one, or 0 for no limit"}},
		{"no number as rate", map[string]string{"RATE": "NaN"}, []string{"_RATE: NaN"}},
		{"an infinite rate", map[string]string{"RATE": "+Inf"}, []string{"_RATE: +Inf"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			changes := map[string]string{}
			for name, value := range tc.changes {
				changes["SOURCE_ERP_WEBHOOK_"+name] = value
			}
			_, err := source.Load(t.Context(), config.Map(variables(changes)), defaults, all)
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "a2tra2")) {
				t.Errorf("the error shows a secret:\n%v", err)
			}
		})
	}
}

// What only the ingestor has must not keep the other services from starting.
func TestOnlyWhoTakesWebhooksNeedsWhatAuthenticatesThem(t *testing.T) {
	t.Parallel()
	for _, changes := range []map[string]string{
		{"AUTH": "hmac"}, {"AUTH": "ip"}, {"AUTH": "header,ip"}, {"IPS": "192.0.2.7"}, {"SECRET_PREVIOUS": "old"},
	} {
		env := map[string]string{"SOURCE_ERP_WEBHOOK_SECRET": ""}
		for name, value := range changes {
			env["SOURCE_ERP_WEBHOOK_"+name] = value
		}
		if _, err := source.Load(t.Context(), config.Map(variables(env)), defaults, source.Need{ERP: true}); err != nil {
			t.Errorf("%v: %v", changes, err)
		}
	}
}

func TestASigningKeyIsWhatStandardWebhooksWrites(t *testing.T) {
	t.Parallel()
	key, err := source.SigningKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	want := []byte{0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c, 0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0}
	if diff := cmp.Diff(want, key); diff != "" || err != nil {
		t.Errorf("error %v, key (-want +got):\n%s", err, diff)
	}
}

func TestParseNetworks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want, wantErr string }{
		{"192.0.2.7", "192.0.2.7/32", ""},
		{" 192.0.2.0/24 ", "192.0.2.0/24", ""},
		{"2001:db8::1", "2001:db8::1/128", ""},
		{"2001:db8::/32", "2001:db8::/32", ""},
		{"::ffff:192.0.2.7", "192.0.2.7/32", ""},
		{"::ffff:192.0.2.0/120", "192.0.2.0/24", ""},
		{"::ffff:0.0.0.0/96", "", "holds every address there is"},
		{"::ffff:0.0.0.0/95", "", "neither an address nor a network"},
		{"0.0.0.0/0", "", "holds every address there is; name the networks that are meant"},
		{"::/0", "", "holds every address there is"},
		{"10.0.0.1/8", "", "write 10.0.0.0/8 for the network, or 10.0.0.1 for the address alone"},
		{"", "", "neither an address nor a network"},
		{"fe80::1%eth0", "", "neither an address nor a network"},
		{"fe80::%eth0/64", "", "neither an address nor a network"},
		{"192.0.2", "", "neither an address nor a network"},
		{"192.0.2.07", "", "neither an address nor a network"},
		{"192.0.2.7:80", "", "neither an address nor a network"},
		{"/24", "", "neither an address nor a network"},
	} {
		networks, errs := source.ParseNetworks([]string{tc.text})
		if tc.wantErr != "" {
			if len(networks) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), tc.wantErr) {
				t.Errorf("%q: %v, errors %v, want %q", tc.text, networks, errs, tc.wantErr)
			}
			continue
		}
		want := []netip.Prefix{netip.MustParsePrefix(tc.want)}
		if diff := cmp.Diff(want, networks, cmpopts.EquateComparable(netip.Prefix{})); diff != "" || len(errs) != 0 {
			t.Errorf("%q: errors %v, networks (-want +got):\n%s", tc.text, errs, diff)
		}
	}
}
