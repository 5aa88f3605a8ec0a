package monitoring

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
)

// lookupToken is LOOKUP_TOKEN.
var lookupToken = canary.Secret("lookup")

// question is what lookup is asked, and with which token.
type question struct{ path, body, token string }

// questions are of every kind: what is there, what is not, the same ticket guessing again and again, and somebody without leave.
func questions(contract string) []question {
	return []question{
		{"/v1/contract", fmt.Sprintf(`{"contractId":%q}`, contract), lookupToken},
		{"/v1/contract/search", fmt.Sprintf(`{"ticketId":1,"contractId":%q}`, contract), lookupToken},
		{"/v1/contract/search", `{"ticketId":2,"contractId":"nobody"}`, lookupToken},
		{"/v1/customer", `{"customerId":"nobody"}`, lookupToken},
		{"/v1/customer/search", fmt.Sprintf(`{"q":%q}`, contract), lookupToken},
		{"/v1/contract", `{}`, lookupToken},
		{"/v1/contract", `{}`, canary.Secret("guessed")},
	}
}

// ask asks the i-th question, in turn.
func (s *stage) ask(ctx context.Context, i int, contract string) error {
	all := questions(contract)
	q := all[i%len(all)]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.lookup+q.path, strings.NewReader(q.body))
	if err != nil {
		return fmt.Errorf("build a question: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+q.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask lookup: %w", err)
	}
	// Read to its end, or the connection is not used again.
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.Body.Close()
}
