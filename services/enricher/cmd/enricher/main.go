// Command enricher reads each changed contract once in the ERP and stores it as Enneo wants it.
package main

import (
	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/services/enricher"
)

func main() { app.Main("enricher", enricher.Run) }
