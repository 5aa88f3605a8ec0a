package profile

// Scheme is a way to authenticate requests to an ERP.
type Scheme string

// The schemes a profile may offer.
const (
	// ContextBasic is HTTP Basic with the user name "<context>#<API user>", as Powercloud has it.
	ContextBasic Scheme = "context_basic"
	// Basic is HTTP Basic with user and password.
	Basic Scheme = "basic"
	// Header sends the API key in a header of the profile's choice.
	Header Scheme = "header"
	// Bearer sends the API key as "Authorization: Bearer <key>".
	Bearer Scheme = "bearer"
	// Query sends the API key as a query parameter of the profile's choice.
	Query Scheme = "query"
	// OAuth2 gets a bearer token by client credentials (RFC 6749, section 4.4) from the source's token endpoint.
	OAuth2 Scheme = "oauth2"
)

func schemes() []Scheme { return []Scheme{ContextBasic, Basic, Header, Bearer, Query, OAuth2} }

// NeedsUser tells whether the scheme takes a user with a password, or a client with its secret, rather than an API key alone.
func (s Scheme) NeedsUser() bool { return s == ContextBasic || s == Basic || s == OAuth2 }

// Auth is the authentication part of a profile.
type Auth struct {
	// Default is the scheme of a source that does not choose one and whose credentials fit it.
	Default Scheme
	// Schemes are all that may be chosen, Default included, in order of preference.
	Schemes []Scheme
	// Context is the context of ContextBasic, unless an operation has its own.
	Context string
	// Header is the name of the header of the scheme Header.
	Header string
	// Query is the name of the query parameter of the scheme Query.
	Query string
}
