// Command ingestor takes webhooks and CloudEvents of the ERPs and appends them to the event log.
package main

import (
	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/services/ingestor"
)

func main() { app.Main("ingestor", ingestor.Run) }
