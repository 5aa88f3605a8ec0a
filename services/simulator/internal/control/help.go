package control

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// actions describes the faults.
var actions = []struct {
	action simclient.Action
	help   string
}{
	{simclient.Status, "answer with status; retryAfter and body may be given"},
	{simclient.Delay, `wait delay ("250ms"), also when the client goes away`},
	{simclient.Hold, "keep the request until it is released"},
	{simclient.Hang, "never answer; the request ends when the client goes away"},
	{simclient.Reset, "reset the connection: with phase after, the answer is lost"},
	{simclient.Truncate, "send half of the answer's body"},
	{simclient.HTML, "answer with a web page (status 200 unless given)"},
	{simclient.Failure, "answer failure in the words of the system (status 200 unless given)"},
	{simclient.WrongID, "answer with a record that was not asked for"},
	{simclient.ReadLag, "ERPs only: show what was there delay ago, at most " + simclient.MaxReadLag.String()},
}

// help describes the API in plain text.
func (a *API) help(w http.ResponseWriter, _ *request) error {
	var b strings.Builder
	b.WriteString("The simulator of enneo-bridge: stands in for Powercloud, LynqTech, a generic ERP and Enneo. All data is made up.\n\nControl\n")
	for _, c := range a.routes {
		fmt.Fprintf(&b, "  %-6s %-26s %s\n", c.method, Prefix+c.pattern, c.help)
	}
	b.WriteString("\nFaults: {\"system\":…,\"action\":…} and, to match fewer requests, operation, method, path (may end with *), kind, entityId;\n" +
		"count ends a rule after so many requests, probability is between 0 and 1, phase is before (the processing, default) or after.\n")
	for _, action := range actions {
		fmt.Fprintf(&b, "  %-9s %s\n", action.action, action.help)
	}
	for _, system := range a.Systems {
		fmt.Fprintf(&b, "\nSystem %s\n", system.Name)
		for _, o := range system.Operations {
			fmt.Fprintf(&b, "  %-24s %-6s %s\n", o.Name, o.Method, system.Prefix+o.Pattern)
		}
	}
	b.WriteString("\nThe client in Go is the package libs/simclient.\n")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// The caller has gone if this fails; there is nobody left to tell.
	_, _ = w.Write([]byte(b.String()))
	return nil
}
