// Command simulator stands in for Powercloud, LynqTech, a generic ERP and Enneo.
package main

import (
	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

func main() { app.Main("simulator", simulator.Run) }
