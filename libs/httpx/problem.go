package httpx

import (
	"encoding/json"
	"net/http"

	"github.com/moogar0880/problems"
	"go.opentelemetry.io/otel/trace"
)

// ProblemType begins the type URI of every problem; the slug follows.
const ProblemType = "urn:enneo-bridge:problem:"

// problem is the library's with a member of our own. The library's type for extensions puts them below a member
// "extensions", where RFC 9457 (section 3.2) has them beside the others.
type problem struct {
	problems.Problem
	TraceID string `json:"trace_id,omitempty"`
}

// Problem answers a request with an RFC 9457 problem. The slug names the kind of problem, the title says what it is and
// is the same for each occurrence, the detail is about this occurrence and holds neither secrets nor personal data. The
// trace's id is added if there is one. Headers such as Retry-After are set before.
func Problem(w http.ResponseWriter, r *http.Request, status int, slug, title, detail string) {
	p := problem{Problem: *problems.New().WithType(ProblemType + slug).WithTitle(title).WithStatus(status).WithDetail(detail)}
	if span := trace.SpanContextFromContext(r.Context()); span.HasTraceID() {
		p.TraceID = span.TraceID().String()
	}
	h := w.Header()
	// What a handler has said about the body that it did not get to write.
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		h.Del(name)
	}
	h.Set("Content-Type", problems.ProblemMediaType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The caller has gone if this fails; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(p)
}
