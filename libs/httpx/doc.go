// Package httpx is what every HTTP server of enneo-bridge is made of: a Server with timeouts and an orderly end,
// middleware that survives panics, errors as RFC 9457 problems, and instrumentation that shows neither paths nor hosts.
//
// A handler is put together from the outside in as
//
//	httpx.Instrument(telemetry, "ingestor", httpx.Recover(logger, mux))
//
// so that a panic is measured as status 500 and its log line names the trace.
//
// All functions are safe for concurrent use. A Server runs once.
package httpx
