package mind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Mode is how Enneo learns of a change.
type Mode string

// The modes.
const (
	// Import creates, updates and deletes contracts and customers in Enneo.
	Import Mode = "import"
	// Refresh drops what Enneo has cached of them, so that its next question finds the new state.
	Refresh Mode = "refresh"
	// Webhook tells one of Enneo's webhook targets, as the ERP itself would, once for a whole burst.
	Webhook Mode = "webhook"
)

// Modes are all modes.
func Modes() []Mode { return []Mode{Import, Refresh, Webhook} }

// Delivery is what Enneo is to learn of one contract or customer.
type Delivery struct {
	Kind key.Kind
	// ID is Enneo's id of it.
	ID string
	// CustomerID is Enneo's id of a contract's customer; empty if it is not known.
	CustomerID string
	// Body is Enneo's structure as JSON text; empty if it is gone.
	Body string
	Gone bool
}

// Target is Enneo as one source's deliveries reach it in one mode. It is safe for concurrent use.
type Target struct {
	client *Client
	mode   Mode
	path   string // of the webhook target
}

// ErrNoWebhookTarget says that Enneo has no webhook target of its own for the make of an ERP.
var ErrNoWebhookTarget = errors.New("enneo documents webhook targets for powercloud and lynqtech only")

// Target makes the target of the deliveries of a source with this profile.
func (c *Client) Target(mode Mode, profile string) (*Target, error) {
	t := &Target{client: c, mode: mode, path: c.cfg.WebhookPath}
	switch {
	case mode != Webhook || t.path != "":
	case profile == "powercloud", profile == "lynqtech":
		t.path = "/webhook/" + profile
	default:
		return nil, fmt.Errorf("ENNEO_WEBHOOK_PATH: not set, and the profile is %s: %w; name the path of the target", profile, ErrNoWebhookTarget)
	}
	return t, nil
}

// Contract reads a contract in Enneo, see Client.Contract.
func (t *Target) Contract(ctx context.Context, id string) (body []byte, found bool, err error) {
	return t.client.Contract(ctx, id)
}

// Timeout is how long one request may take.
func (t *Target) Timeout() time.Duration { return t.client.cfg.Timeout }

// Version names what this version of the mode sends for the same content.
func (t *Target) Version() string { return string(t.mode) + "/1" }

// Deliver sends the one request that a delivery takes.
func (t *Target) Deliver(ctx context.Context, d Delivery) error {
	switch t.mode {
	case Refresh:
		return t.client.refresh(ctx, d)
	case Webhook:
		return t.client.notify(ctx, t.path, d)
	case Import:
	}
	if d.Gone {
		return t.client.Delete(ctx, d.Kind, d.ID)
	}
	return t.client.Put(ctx, d.Kind, d.ID, d.Body)
}

// refresh drops what Enneo has cached of a contract with its customer, or of a customer. Documented by Enneo: a form with
// contractId and customerId, either of which may be omitted.
func (c *Client) refresh(ctx context.Context, d Delivery) error {
	form := url.Values{}
	contract, customer := d.ids()
	for name, id := range map[string]string{"contractId": contract, "customerId": customer} {
		if id != "" {
			form.Set(name, id)
		}
	}
	return c.send(ctx, request{
		operation: "refresh", method: http.MethodPost, path: c.cfg.RefreshPath, kind: d.Kind,
		mediaType: "application/x-www-form-urlencoded", body: form.Encode(),
	})
}

// notify tells a webhook target of a change. What is expected there is not public.
func (c *Client) notify(ctx context.Context, path string, d Delivery) error {
	template := c.cfg.WebhookContractBody
	switch {
	case d.Kind == key.Customer && c.cfg.WebhookCustomerBody != "":
		template = c.cfg.WebhookCustomerBody
	case d.Kind == key.Customer:
		template = defaultCustomerBody
	case template == "":
		template = defaultContractBody
	}
	contract, customer := d.ids()
	return c.send(ctx, request{
		operation: "webhook", method: http.MethodPost, path: path, kind: d.Kind, mediaType: jsonType, body: fill(template, contract, customer),
	})
}

// ids are Enneo's ids of the contract and customer that a delivery is about; empty for one that it is not about.
func (d Delivery) ids() (contract, customer string) {
	if d.Kind == key.Customer {
		return "", d.ID
	}
	return d.ID, d.CustomerID
}
