package mind

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// Config is how to reach Enneo.
type Config struct {
	BaseURL   string        `env:"ENNEO_BASE_URL, required" desc:"Base URL of Enneo's API, up to and with /api/mind"`
	Token     config.Secret `env:"ENNEO_TOKEN" desc:"JWT for Enneo's API, sent as Authorization: Bearer; this or ENNEO_TOKEN_FILE"`
	TokenFile string        `env:"ENNEO_TOKEN_FILE" desc:"File that holds the JWT; it is read again when it changes, so a new token needs no restart"`

	ContractPath string        `env:"ENNEO_CONTRACT_PATH, default=/contract/{id}" desc:"Path of a contract below the base URL; not public, so this is a default of ours"`
	CustomerPath string        `env:"ENNEO_CUSTOMER_PATH, default=/customer/{id}" desc:"Path of a customer below the base URL; not public, so this is a default of ours"`
	PutMethod    string        `env:"ENNEO_PUT_METHOD, default=PUT" desc:"HTTP method that creates or updates; not public, so this is a default of ours"`
	DeleteMethod string        `env:"ENNEO_DELETE_METHOD, default=DELETE" desc:"HTTP method that deletes; not public, so this is a default of ours"`
	Timeout      time.Duration `env:"ENNEO_TIMEOUT, default=15s" desc:"How long one request to Enneo may take"`

	RefreshPath string `env:"ENNEO_REFRESH_PATH, default=/customer/invalidateCache" desc:"Mode refresh: path that drops what Enneo has cached"`

	WebhookPath         string `env:"ENNEO_WEBHOOK_PATH" desc:"Mode webhook: path of Enneo's webhook target; without it /webhook/powercloud or /webhook/lynqtech by the source's profile"`
	WebhookContractBody string `env:"ENNEO_WEBHOOK_CONTRACT_BODY" desc:"Mode webhook: JSON body that tells of a contract, with {contractId} and {customerId} for the ids as JSON (null if unknown). What Enneo expects is not public; default of ours: {\"contractId\":{contractId},\"customerId\":{customerId}}"`
	WebhookCustomerBody string `env:"ENNEO_WEBHOOK_CUSTOMER_BODY" desc:"Mode webhook: JSON body that tells of a customer, with {customerId}; default of ours: {\"customerId\":{customerId}}"`
}

// Defaults of ours.
const (
	defaultContractBody = `{"contractId":{contractId},"customerId":{customerId}}`
	defaultCustomerBody = `{"customerId":{customerId}}`

	contractIDPlaceholder = "{contractId}"
	customerIDPlaceholder = "{customerId}"
)

// Validate checks what the single fields cannot.
func (c *Config) Validate() error {
	var errs []error
	base, err := url.Parse(c.BaseURL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		errs = append(errs, errors.New("ENNEO_BASE_URL: must be like https://<instance>.enneo.ai/api/mind"))
	}
	for name, path := range map[string]string{"ENNEO_CONTRACT_PATH": c.ContractPath, "ENNEO_CUSTOMER_PATH": c.CustomerPath} {
		// In a query an id would need another escaping than in a path.
		if !strings.HasPrefix(path, "/") || !strings.Contains(path, "{id}") || strings.ContainsAny(path, "?#") {
			errs = append(errs, fmt.Errorf("%s: %q must begin with /, contain {id} and have no query or fragment", name, path))
		}
	}
	for name, path := range map[string]string{"ENNEO_REFRESH_PATH": c.RefreshPath, "ENNEO_WEBHOOK_PATH": c.WebhookPath} {
		if path != "" && (!strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#{")) {
			errs = append(errs, fmt.Errorf("%s: %q must begin with / and have no query, fragment or placeholder", name, path))
		}
	}
	for name, template := range map[string]string{"ENNEO_WEBHOOK_CONTRACT_BODY": c.WebhookContractBody, "ENNEO_WEBHOOK_CUSTOMER_BODY": c.WebhookCustomerBody} {
		var object map[string]any
		if template != "" && json.Unmarshal([]byte(fill(template, "c", "k")), &object) != nil {
			errs = append(errs, fmt.Errorf(`%s: is no JSON object once the placeholders are filled; they stand for whole JSON values, as in %s`, name, defaultContractBody))
		}
	}
	if !slices.Contains([]string{http.MethodPut, http.MethodPost, http.MethodPatch}, c.PutMethod) {
		errs = append(errs, fmt.Errorf("ENNEO_PUT_METHOD: %q is not PUT, POST or PATCH", c.PutMethod))
	}
	if !slices.Contains([]string{http.MethodDelete, http.MethodPost}, c.DeleteMethod) {
		errs = append(errs, fmt.Errorf("ENNEO_DELETE_METHOD: %q is not DELETE or POST", c.DeleteMethod))
	}
	if c.DeleteMethod == c.PutMethod {
		errs = append(errs, fmt.Errorf("ENNEO_DELETE_METHOD: %s writes as well (ENNEO_PUT_METHOD), and both have the same paths; use two methods", c.DeleteMethod))
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > 10*time.Minute {
		errs = append(errs, fmt.Errorf("ENNEO_TIMEOUT: %s is not between 100ms and 10m", c.Timeout))
	}
	switch {
	case c.Token.IsSet() == (c.TokenFile != ""):
		errs = append(errs, errors.New("ENNEO_TOKEN or ENNEO_TOKEN_FILE: set exactly one of them"))
	case c.TokenFile != "":
		if _, err := readToken(c.TokenFile); err != nil {
			errs = append(errs, fmt.Errorf("ENNEO_TOKEN_FILE: %w", err))
		}
	}
	return errors.Join(errs...)
}

// fill puts ids into a template, as JSON; an empty one is null.
func fill(template, contractID, customerID string) string {
	value := func(id string) string {
		if id == "" {
			return "null"
		}
		text, err := json.Marshal(id)
		if err != nil {
			return "null" // Marshalling a text does not fail.
		}
		return string(text)
	}
	return strings.NewReplacer(contractIDPlaceholder, value(contractID), customerIDPlaceholder, value(customerID)).Replace(template)
}
