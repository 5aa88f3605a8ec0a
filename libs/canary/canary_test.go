package canary_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
)

func TestEveryValueIsFound(t *testing.T) {
	t.Parallel()
	values := append(canary.NewPerson(7).Told(), canary.Secret("webhook"), canary.InstanceHash,
		// Of the simulator's, and as another system may write it.
		"DE30999000010123456789", "+493023125123", "anna.mueller1@example.org", "powercloud-development", strings.ToUpper(canary.Secret("x")))
	for _, value := range values {
		for _, text := range []string{value, `{"value":"` + value + `"}`, "\x00\xff" + value + "\xff"} {
			if len(canary.Find([]byte(text))) == 0 {
				t.Errorf("nothing is found in %q", text)
			}
		}
	}
}

func TestACanaryIsFoundInBase64WhateverStandsAroundIt(t *testing.T) {
	t.Parallel()
	for before := range 7 {
		for after := range 4 {
			text := strings.Repeat("x", before) + canary.Marker + strings.Repeat("y", after)
			for name, encoding := range map[string]*base64.Encoding{"standard": base64.StdEncoding, "url": base64.RawURLEncoding} {
				if len(canary.Find([]byte("Basic "+encoding.EncodeToString([]byte(text))))) == 0 {
					t.Errorf("nothing is found in %q in %s encoding", text, name)
				}
			}
		}
	}
}

func TestNothingIsFoundInWhatIsNoCanary(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "ok  \tgithub.com/enneo-ai/enneo-bridge/libs/key\t0.1s", "DE02120300000000202052", "+49301234567", "user@example.invalid", `{"secret":"[redacted]"}`} {
		if found := canary.Find([]byte(text)); len(found) > 0 {
			t.Errorf("%v is found in %q", found, text)
		}
	}
}

func TestEachThingIsToldOnce(t *testing.T) {
	t.Parallel()
	secret := canary.Secret("token")
	found := canary.Find([]byte(secret + " " + secret))
	if len(found) != 1 || !strings.Contains(found[0].String(), canary.Marker) {
		t.Errorf("found %v, want the secret once", found)
	}
}
