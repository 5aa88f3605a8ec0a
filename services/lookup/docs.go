package lookup

import (
	_ "embed"
	"net/http"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/page"
)

//go:embed openapi.yaml
var description []byte

// docs adds the description of the calls, and the page to try them.
func docs(mux *http.ServeMux) { page.Routes(mux, description) }
