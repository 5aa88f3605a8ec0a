package erp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// Reasons of the faults that Get and List return, besides those of package profile.
const (
	ReasonCanceled     = "canceled"
	ReasonTimeout      = "timeout"
	ReasonNetwork      = "network"
	ReasonRedirect     = "redirect"
	ReasonUnauthorized = "unauthorized"
	ReasonRateLimited  = fault.RateLimited
	ReasonUnavailable  = "unavailable"
	ReasonUnsupported  = "unsupported"
	ReasonNoRequest    = "no_request"
)

// canceled is the fault of a request that was not sent, or not waited for, because the caller gave up. It says nothing
// about the ERP.
func canceled(err error) *fault.Fault { return &fault.Fault{Reason: ReasonCanceled, Err: err} }

// unsendable is the fault of a request that cannot be built for this key.
func unsendable(err error) *fault.Fault {
	f := &fault.Fault{Permanent: true, Reason: ReasonNoRequest, Err: err}
	if errors.Is(err, profile.ErrUnsupported) {
		f.Reason = ReasonUnsupported
	}
	return f
}

// failure classifies a request without a whole answer. within is ctx with the source's timeout.
func failure(ctx, within context.Context, err error) *fault.Fault {
	// The text of a *url.Error holds the URL, with hash, id and maybe the API key.
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	f := &fault.Fault{Scope: fault.Target, Reason: ReasonNetwork, Err: err}
	timedOut, isNet := errors.AsType[net.Error](err)
	switch {
	case ctx.Err() != nil:
		return canceled(ctx.Err())
	case within.Err() != nil || isNet && timedOut.Timeout():
		f.Reason, f.Err = ReasonTimeout, errors.New("the ERP did not answer in time")
	case errors.Is(err, errRedirect):
		f.Reason, f.Err = ReasonRedirect, errRedirect
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.Reason, f.Err = profile.ReasonTruncated, errors.New("the connection ended before the answer did")
	case !shown(err):
		f.Err = errors.New("the answer is not valid HTTP")
	}
	return f
}

// shown tells whether the text of err names addresses and certificates only; net/http quotes what the server sent in
// others.
func shown(err error) bool {
	_, isOperation := errors.AsType[*net.OpError](err)
	_, isName := errors.AsType[*net.DNSError](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	return isOperation || isName || isCertificate
}

// statusFault is the fault of a status that concerns the whole ERP, nil for all others.
func (c *Client) statusFault(resp *http.Response) *fault.Fault {
	f := &fault.Fault{Scope: fault.Target, Status: resp.StatusCode, RetryAfter: fault.ParseRetryAfter(resp.Header.Get("Retry-After"), c.now())}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		f.Reason, f.Err = ReasonUnauthorized, errors.New("the ERP refuses the credentials")
	case code == http.StatusRequestTimeout:
		f.Reason, f.Err = ReasonTimeout, errors.New("the ERP gave up on the request")
	case code == http.StatusTooManyRequests:
		f.Reason, f.Err = ReasonRateLimited, errors.New("the ERP asks for fewer requests")
	case code == http.StatusLocked, code == http.StatusTooEarly, code >= http.StatusInternalServerError:
		f.Reason, f.Err = ReasonUnavailable, errors.New("the ERP cannot answer now")
	case code >= http.StatusMultipleChoices && code < http.StatusBadRequest:
		f.Reason, f.Err = ReasonRedirect, errors.New("the ERP redirects without saying where to")
	default:
		return nil
	}
	return f
}
