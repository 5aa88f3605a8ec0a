package bus

import (
	"context"
	"fmt"
	"slices"
)

// Missing names the streams that the server does not have although the topology has them, and the consumers of the ticket
// stages for the sources; Ensure makes all of them again. A server that comes back with another disk has none.
func (b *Bus) Missing(ctx context.Context, sources []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	lister := b.js.StreamNames(ctx)
	var there []string
	for name := range lister.Name() {
		there = append(there, name)
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	var missing []string
	for _, cfg := range b.topo.streams() {
		if !slices.Contains(there, cfg.Name) {
			missing = append(missing, cfg.Name)
		}
	}
	if len(sources) == 0 {
		return missing, nil
	}
	for _, stage := range []Stage{StageEnrich, StagePublish} {
		if slices.Contains(missing, stage.Stream()) {
			continue
		}
		consumers, err := b.consumers(ctx, stage.Stream())
		if err != nil {
			return nil, err
		}
		for _, source := range sources {
			if name := stage.ConsumerName(source); !slices.Contains(consumers, name) {
				missing = append(missing, name)
			}
		}
	}
	return missing, nil
}

func (b *Bus) consumers(ctx context.Context, stream string) ([]string, error) {
	s, err := b.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", stream, err)
	}
	lister := s.ConsumerNames(ctx)
	var names []string
	for name := range lister.Name() {
		names = append(names, name)
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list the consumers of %s: %w", stream, err)
	}
	return names, nil
}
