package ingestor

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the networks of the proxies whose header X-Forwarded-For is believed.
type proxies []netip.Prefix

// client is the address that a request comes from: the peer, or, if that is a trusted proxy, the rightmost entry of
// X-Forwarded-For that is not one. What stands further to the left anybody can have written.
//
// It is unknown if the search meets something that is no address. It never goes on to the left of that, and the address
// is then the last one that was known, which may stand for many senders.
func (p proxies) client(r *http.Request) (address netip.Addr, known bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	address = peer.Addr().Unmap().WithZone("")
	// Several headers are one list, in their order.
	for _, list := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		for more := true; more; {
			if !contains(p, address) {
				return address, true
			}
			entry := list
			comma := strings.LastIndexByte(list, ',')
			if more = comma >= 0; more {
				list, entry = list[:comma], list[comma+1:]
			}
			next, ok := forwarded(strings.TrimSpace(entry))
			if !ok {
				return address, false
			}
			address = next
		}
	}
	return address, true
}

// forwarded reads an entry of X-Forwarded-For. Some proxies add the port.
func forwarded(entry string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(entry)
	if err != nil {
		if inner, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(inner, "]") {
			address, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		} else if withPort, portErr := netip.ParseAddrPort(entry); portErr == nil {
			address, err = withPort.Addr(), nil
		}
	}
	// A zone has a meaning only on the machine that wrote it.
	return address.Unmap(), err == nil && address.Zone() == ""
}

func contains(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) })
}
