package httpx

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/felixge/httpsnoop"
)

// Recover answers a request whose handler panics with a problem and status 500, and logs the panic with its stack. If the
// answer had begun already, it breaks the connection, so that nobody takes the beginning for the whole.
// http.ErrAbortHandler passes through, as net/http wants it.
func Recover(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := false
		watched := httpsnoop.Wrap(w, httpsnoop.Hooks{
			WriteHeader: func(write httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
				return func(status int) {
					// Interim answers (1xx) leave room for the final one.
					begun = begun || status >= http.StatusOK
					write(status)
				}
			},
			Write: func(write httpsnoop.WriteFunc) httpsnoop.WriteFunc {
				return func(b []byte) (int, error) { begun = true; return write(b) }
			},
			ReadFrom: func(read httpsnoop.ReadFromFunc) httpsnoop.ReadFromFunc {
				return func(src io.Reader) (int64, error) { begun = true; return read(src) }
			},
			Flush: func(flush httpsnoop.FlushFunc) httpsnoop.FlushFunc {
				return func() { begun = true; flush() }
			},
			Hijack: func(hijack httpsnoop.HijackFunc) httpsnoop.HijackFunc {
				return func() (net.Conn, *bufio.ReadWriter, error) { begun = true; return hijack() }
			},
		})
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares the very same way.
				panic(cause)
			}
			logger.ErrorContext(r.Context(), "handler panicked",
				slog.String("panic", fmt.Sprint(cause)), slog.String("stack", string(debug.Stack())))
			if begun {
				panic(http.ErrAbortHandler)
			}
			Problem(w, r, http.StatusInternalServerError, "internal", "Internal error",
				"An unexpected error occurred. It has been logged.")
		}()
		next.ServeHTTP(watched, r)
	})
}
