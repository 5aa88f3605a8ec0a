// Package page shows an OpenAPI description in the browser, with a form to try each call. Everything comes from the program
// itself: Swagger UI (swagger-ui-dist 5.35.0, Apache-2.0, unchanged but for gzip -9 -n) stands in assets with its licences.
//
// It holds no secrets and no data, and there is no state.
package page

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"net/http"
	"strings"
)

//go:embed index.html start.js assets/*.gz
var files embed.FS

// policy lets the page load nothing from elsewhere and send nothing elsewhere. Swagger UI shows its icons as data: images, and sets styles on
// elements.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Routes adds the page at /docs, / for people who come by browser, and the description itself at /openapi.yaml.
func Routes(mux *http.ServeMux, description []byte) {
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		send(w, "application/yaml", description)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/docs", http.StatusFound)
	})
	mux.HandleFunc("GET /docs", asset("index.html", "text/html; charset=utf-8"))
	mux.HandleFunc("GET /docs/start.js", asset("start.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /docs/swagger-ui.css", asset("assets/swagger-ui.css.gz", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /docs/swagger-ui-bundle.js", asset("assets/swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"))
}

// asset serves an embedded file, as it is packed if the browser can unpack it.
func asset(name, mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := files.ReadFile(name)
		if err != nil {
			panic("read an embedded file: " + err.Error()) // The file is part of the binary.
		}
		if strings.HasSuffix(name, ".gz") {
			w.Header().Set("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				w.Header().Set("Content-Encoding", "gzip")
			} else {
				body = unpacked(body)
			}
		}
		send(w, mediaType, body)
	}
}

// unpacked is for what cannot unpack by itself.
func unpacked(packed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic("unpack an embedded file: " + err.Error())
	}
	body, err := io.ReadAll(r)
	if err != nil {
		panic("unpack an embedded file: " + err.Error())
	}
	return body
}

func send(w http.ResponseWriter, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(body) // The reader has gone if this fails.
}
