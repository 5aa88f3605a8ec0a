package source

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// The methods that WEBHOOK_AUTH may name.
const (
	WebhookHeader = "header"
	WebhookBearer = "bearer"
	WebhookPath   = "path"
	WebhookBasic  = "basic"
	WebhookHMAC   = "hmac"
	WebhookIP     = "ip"
	WebhookNone   = "none"
)

// plainMethods send the secret itself.
var plainMethods = []string{WebhookHeader, WebhookBearer, WebhookPath, WebhookBasic}

// Limits of Standard Webhooks 1.0.0, section "Signature scheme", for the key of a signature in bytes.
const (
	signingKeyPrefix = "whsec_"
	minSigningKey    = 24
	maxSigningKey    = 64
)

// errSigningKey does not show the value, which is a secret.
var errSigningKey = errors.New("is no signing key, but WEBHOOK_AUTH names hmac; write whsec_ and the base64 (with padding) of 24 to 64 random bytes, " +
	`for example the output of: printf 'whsec_%s' "$(openssl rand -base64 32)"`)

// SigningKey is the key of HMAC signatures that a webhook secret stands for: whsec_ and its base64, as Standard Webhooks
// writes it. The error does not show the secret.
func SigningKey(secret config.Secret) ([]byte, error) {
	encoded, prefixed := strings.CutPrefix(secret.Reveal(), signingKeyPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !prefixed || len(key) < minSigningKey || len(key) > maxSigningKey {
		return nil, errSigningKey
	}
	return key, nil
}

// takes tells whether one of the methods is among those that WEBHOOK_AUTH names.
func (c *Config) takes(methods ...string) bool {
	return slices.ContainsFunc(methods, func(method string) bool { return slices.Contains(c.WebhookAuth, method) })
}

// webhook checks how webhooks are authenticated, and reads the addresses that they may come from. Combinations are checked
// only where webhooks are received: other services may have been given a part of the variables.
func (c *Config) webhook(prefix string, need bool) (allowed []netip.Prefix, errs []error) {
	fail := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s%s: %w", prefix, name, fmt.Errorf(format, args...)))
	}
	for _, method := range c.WebhookAuth {
		switch method {
		case WebhookHeader, WebhookBearer, WebhookPath, WebhookBasic, WebhookHMAC, WebhookIP:
		case WebhookNone:
			if len(c.WebhookAuth) > 1 {
				fail("WEBHOOK_AUTH", "none cannot be combined with other methods; remove one of them")
			}
		default:
			fail("WEBHOOK_AUTH", "%q is no method; use header, bearer, path, basic, hmac, ip or none", method)
		}
	}
	if c.takes(WebhookHMAC) {
		if _, err := SigningKey(c.WebhookSecret); c.WebhookSecret.IsSet() && err != nil {
			fail("WEBHOOK_SECRET", "%w", err)
		}
		// A sender that moves from a plain secret to signatures has had no key before.
		if _, err := SigningKey(c.WebhookSecretPrevious); c.WebhookSecretPrevious.IsSet() && err != nil && !c.takes(plainMethods...) {
			fail("WEBHOOK_SECRET_PREVIOUS", "%w", err)
		}
	}
	if c.WebhookSecret.IsSet() && c.WebhookSecret == c.WebhookSecretPrevious {
		fail("WEBHOOK_SECRET_PREVIOUS", "is the same as %sWEBHOOK_SECRET; set the old secret, or remove the variable", prefix)
	}
	allowed, wrong := ParseNetworks(c.WebhookIPs)
	for _, err := range wrong {
		fail("WEBHOOK_IPS", "%w", err)
	}
	if !(c.WebhookRate >= 0) || math.IsInf(c.WebhookRate, 0) {
		fail("WEBHOOK_RATE", "%v is not a number of requests per second; write a positive one, or 0 for no limit", c.WebhookRate)
	}
	if need {
		errs = append(errs, c.webhookComplete(prefix)...)
	}
	return allowed, errs
}

// webhookComplete tells what the methods need and is not there, and what is there and would have no effect.
func (c *Config) webhookComplete(prefix string) (errs []error) {
	byAddress, bySecret := c.takes(WebhookIP), c.takes(append([]string{WebhookHMAC}, plainMethods...)...)
	if bySecret && !c.WebhookSecret.IsSet() {
		errs = append(errs, fmt.Errorf("%sWEBHOOK_SECRET: %w; set it, or say %sWEBHOOK_AUTH=none to accept webhooks from anybody", prefix, errNotSet, prefix))
	}
	if c.WebhookSecretPrevious.IsSet() && !bySecret {
		errs = append(errs, fmt.Errorf("%sWEBHOOK_SECRET_PREVIOUS: set, but %sWEBHOOK_AUTH names no method with a secret; remove the variable, or add such a method", prefix, prefix))
	}
	if byAddress && len(c.WebhookIPs) == 0 {
		errs = append(errs, fmt.Errorf("%sWEBHOOK_IPS: %w, but %sWEBHOOK_AUTH names ip; list the addresses or networks that may send, or remove ip", prefix, errNotSet, prefix))
	}
	if !byAddress && len(c.WebhookIPs) > 0 {
		errs = append(errs, fmt.Errorf("%sWEBHOOK_IPS: set, but %sWEBHOOK_AUTH does not name ip, so that every address may send; write %sWEBHOOK_AUTH=%s, or remove the list",
			prefix, prefix, prefix, strings.Join(append(slices.DeleteFunc(slices.Clone(c.WebhookAuth), func(m string) bool { return m == WebhookNone }), WebhookIP), ",")))
	}
	return errs
}
