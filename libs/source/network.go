package source

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

var (
	errNetwork = errors.New("is neither an address nor a network; write for example 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48")
	// A list of allowed or trusted addresses that holds all of them says nothing, and nobody writes it on purpose.
	errEverybody = errors.New("holds every address there is; name the networks that are meant")
)

// ParseNetworks reads a list of addresses and CIDR networks, IPv4 or IPv6; the errors quote what is wrong and say what to
// write. IPv4 addresses that are written as IPv6 (::ffff:192.0.2.7) become IPv4.
func ParseNetworks(list []string) ([]netip.Prefix, []error) {
	var networks []netip.Prefix
	var errs []error
	for _, text := range list {
		network, err := parseNetwork(strings.TrimSpace(text))
		if err != nil {
			errs = append(errs, fmt.Errorf("%q %w", text, err))
			continue
		}
		networks = append(networks, network)
	}
	return networks, errs
}

func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, errNetwork
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errNetwork
	}
	if network.Addr().Is4In6() {
		// The first 96 bits are the same for all of IPv4.
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	switch {
	case !network.IsValid():
		return netip.Prefix{}, errNetwork
	case network.Bits() == 0:
		return netip.Prefix{}, errEverybody
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("is an address within a network; write %s for the network, or %s for the address alone", network.Masked(), network.Addr())
	}
	return network, nil
}
