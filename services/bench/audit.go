package bench

import (
	"context"
	"log/slog"

	"github.com/sethvargo/go-envconfig"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
)

// audited balances the log of the nats-server that env names.
func audited(ctx context.Context, env envconfig.Lookuper) (ledger.Balance, error) {
	var cfg bus.Config
	if err := config.Load(ctx, env, &cfg); err != nil {
		return ledger.Balance{}, err
	}
	logger := slog.New(slog.DiscardHandler)
	b, err := bus.Connect(ctx, &cfg, "bench", logger)
	if err != nil {
		return ledger.Balance{}, err
	}
	defer b.Close()
	log, err := eventlog.Open(ctx, b, logger)
	if err != nil {
		return ledger.Balance{}, err
	}
	epoch, err := log.Epoch(ctx)
	if err != nil {
		return ledger.Balance{}, err
	}
	settled, err := ledger.Open(ctx, b)
	if err != nil {
		return ledger.Balance{}, err
	}
	return settled.Audit(ctx, epoch)
}
