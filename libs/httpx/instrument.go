package httpx

import (
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/enneo-ai/enneo-bridge/libs/telemetry"
)

// Instrument measures each request and gives it a span, named after the pattern that http.ServeMux matched.
//
// Paths, queries and headers stay out of spans and metrics, but for the trace context: a path may hold a secret or the id of a
// contract, anybody may write anything into a header, and a host that is made up would be a new time series each time. The
// server's name in telemetry is name instead. Filters and formatters among opts therefore see a request without them.
func Instrument(t *telemetry.Telemetry, name string, next http.Handler, opts ...otelhttp.Option) http.Handler {
	instrument := otelhttp.NewMiddleware(name, append([]otelhttp.Option{
		otelhttp.WithTracerProvider(t.TracerProvider),
		otelhttp.WithMeterProvider(t.MeterProvider),
		otelhttp.WithPropagators(t.Propagator),
		otelhttp.WithServerName(name),
	}, opts...)...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := r.WithContext(r.Context())
		shown.URL, shown.RequestURI, shown.Host, shown.Header = &url.URL{}, "", "", http.Header{}
		for _, field := range t.Propagator.Fields() {
			if values := r.Header.Values(field); len(values) > 0 {
				shown.Header[http.CanonicalHeaderKey(field)] = values
			}
		}
		instrument(http.HandlerFunc(func(w http.ResponseWriter, measured *http.Request) {
			whole := measured.WithContext(measured.Context())
			whole.URL, whole.RequestURI, whole.Host, whole.Header = r.URL, r.RequestURI, r.Host, r.Header
			defer func() { measured.Pattern = whole.Pattern }()
			next.ServeHTTP(w, whole)
		})).ServeHTTP(w, shown)
	})
}
