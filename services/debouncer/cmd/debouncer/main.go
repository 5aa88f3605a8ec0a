// Command debouncer turns a burst of change events for one contract into one ticket.
package main

import (
	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/services/debouncer"
)

func main() { app.Main("debouncer", debouncer.Run) }
