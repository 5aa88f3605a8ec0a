// Command ingestor takes webhooks and CloudEvents of the ERPs and appends them to the event log.
package main

import (
	"os"
	"runtime/debug"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/services/ingestor"
)

// gcPercent is GOGC unless the environment says another. The ingestor keeps some ten MiB alive, whatever it is sent, and makes
// much short-lived garbage: with Go's default of 100 it collects many times a second under load, see docs/results.md.
const gcPercent = 400

func main() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	app.Main("ingestor", ingestor.Run)
}
