package ingestor

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/source"
)

func TestTheSenderIsTheRightmostAddressThatIsNoProxy(t *testing.T) {
	t.Parallel()
	networks, errs := source.ParseNetworks([]string{"10.0.0.0/8", "2001:db8:1::/48"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, tc := range []struct {
		name, peer string
		headers    []string
		want       string // of an unknown sender the last known address, in brackets
	}{
		{"no proxy", "192.0.2.7:80", nil, "192.0.2.7"},
		{"no proxy, but a header", "192.0.2.7:80", []string{"198.51.100.1"}, "192.0.2.7"},
		{"no proxy, but junk", "192.0.2.7:80", []string{"junk"}, "192.0.2.7"},
		{"a proxy itself", "10.0.0.1:80", nil, "10.0.0.1"},
		{"behind a proxy", "10.0.0.1:80", []string{"198.51.100.1"}, "198.51.100.1"},
		{"behind two", "10.0.0.1:80", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"behind two with a header each", "10.0.0.1:80", []string{"198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"behind IPv6", "[2001:db8:1::1]:80", []string{"2001:db8:2::7,2001:db8:1::2"}, "2001:db8:2::7"},
		{"made up by the sender", "10.0.0.1:80", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"made up in a header of its own", "10.0.0.1:80", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"made up as a proxy", "10.0.0.1:80", []string{"203.0.113.9, 10.0.0.9, 198.51.100.1"}, "198.51.100.1"},
		{"junk by the sender", "10.0.0.1:80", []string{"junk, , 198.51.100.1"}, "198.51.100.1"},
		{"junk by a proxy", "10.0.0.1:80", []string{"198.51.100.1, unknown"}, "[10.0.0.1]"},
		{"junk by the second proxy", "10.0.0.1:80", []string{"198.51.100.1, _hidden, 10.0.0.2"}, "[10.0.0.2]"},
		{"an empty header", "10.0.0.1:80", []string{""}, "[10.0.0.1]"},
		{"a comma too many", "10.0.0.1:80", []string{"198.51.100.1,"}, "[10.0.0.1]"},
		{"nothing but proxies", "10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"with a port", "10.0.0.1:80", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"IPv6 with a port", "10.0.0.1:80", []string{"[2001:db8:2::7]:4711"}, "2001:db8:2::7"},
		{"IPv6 in brackets", "10.0.0.1:80", []string{"[2001:db8:2::7]"}, "2001:db8:2::7"},
		{"half a bracket", "10.0.0.1:80", []string{"[2001:db8:2::7"}, "[10.0.0.1]"},
		{"with a zone", "10.0.0.1:80", []string{"fe80::1%eth0"}, "[10.0.0.1]"},
		{"with zeros before it", "10.0.0.1:80", []string{"198.051.100.1"}, "[10.0.0.1]"},
		{"a network", "10.0.0.1:80", []string{"198.51.100.0/24"}, "[10.0.0.1]"},
		{"IPv4 as IPv6", "[::ffff:10.0.0.1]:80", []string{"::ffff:198.51.100.1, ::ffff:10.0.0.2"}, "198.51.100.1"},
		{"a peer with a zone", "[fe80::1%eth0]:80", nil, "fe80::1"},
		{"a peer without an address", "@", []string{"198.51.100.1"}, "[invalid IP]"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = tc.peer, tc.headers
		address, known := proxies(networks).client(r)
		got := address.String()
		if !known {
			got = "[" + got + "]"
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestOnlyAllowedAddressesMaySend(t *testing.T) {
	t.Parallel()
	const secret = "s3cret"
	changes := map[string]string{
		"SOURCES":             "ip,both,acme,other,hooks",
		"SOURCE_IP_PROFILE":   "generic",
		"SOURCE_BOTH_PROFILE": "generic", "SOURCE_BOTH_WEBHOOK_AUTH": "header,ip", "SOURCE_BOTH_WEBHOOK_SECRET": secret,
		"SOURCE_IP_WEBHOOK_AUTH": "ip",
	}
	for _, name := range []string{"SOURCE_IP_WEBHOOK_IPS", "SOURCE_BOTH_WEBHOOK_IPS"} {
		changes[name] = "192.0.2.0/24,2001:db8:2::/48,10.9.0.1"
	}
	_, handler := unconnected(t, changes, "10.0.0.0/8")
	for _, tc := range []struct {
		name, peer, forwarded, secret string
		ip, both                      int
	}{
		{"allowed, right secret", "192.0.2.7:80", "", secret, 503, 503},
		{"allowed, wrong secret", "192.0.2.7:80", "", "wrong", 503, 401},
		{"allowed, no secret", "192.0.2.7:80", "", "", 503, 401},
		{"not allowed, right secret", "198.51.100.1:80", "", secret, 401, 401},
		{"allowed, as IPv6", "[::ffff:192.0.2.7]:80", "", secret, 503, 503},
		{"IPv6", "[2001:db8:2::7]:80", "", secret, 503, 503},
		{"another IPv6", "[2001:db8:3::7]:80", "", secret, 401, 401},
		{"behind a proxy", "10.0.0.1:80", "192.0.2.7", secret, 503, 503},
		{"made up", "198.51.100.2:80", "192.0.2.7", secret, 401, 401},
		{"made up behind a proxy", "10.0.0.1:80", "192.0.2.7, 198.51.100.2", secret, 401, 401},
		{"junk from an allowed proxy", "10.9.0.1:80", "junk", secret, 401, 401},
		{"a proxy that is no sender", "10.0.0.1:80", "", secret, 401, 401},
		{"no address", "@", "192.0.2.7", secret, 401, 401},
	} {
		for name, want := range map[string]int{"ip": tc.ip, "both": tc.both} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/"+name, strings.NewReader(`{"contractId":"1"}`))
			r.RemoteAddr = tc.peer
			if tc.forwarded != "" {
				r.Header.Set("X-Forwarded-For", tc.forwarded)
			}
			r.Header.Set(headerSecret, tc.secret)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s, %s: answered %d %s, want %d", tc.name, name, w.Code, w.Body, want)
			}
			if w.Code == 401 && !strings.Contains(w.Body.String(), "The sender's address must be an allowed one.") {
				t.Errorf("%s, %s: %s does not name the condition", tc.name, name, w.Body)
			}
		}
	}
}

func TestContainsTellsWhatIsInAList(t *testing.T) {
	t.Parallel()
	list := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for address, want := range map[string]bool{"192.0.2.255": true, "192.0.3.0": false, "::": false} {
		if got := contains(list, netip.MustParseAddr(address)); got != want {
			t.Errorf("contains %s: %t, want %t", address, got, want)
		}
	}
	if contains(list, netip.Addr{}) || contains(nil, netip.MustParseAddr("192.0.2.1")) {
		t.Error("a list contains no address, or nothing contains one")
	}
}
