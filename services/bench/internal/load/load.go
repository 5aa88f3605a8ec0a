// Package load sends HTTP requests over connections that stay open, as fast as they are answered.
//
// It writes prepared bytes to plain connections: on a small machine a full HTTP client would take as much of the CPU as
// the server that is measured.
//
// # Concurrency
//
// Runs share nothing.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what is sent.
type Options struct {
	// Addr is host and port of the server.
	Addr string
	// Requests are complete HTTP/1.1 requests; they are sent in turn, again and again.
	Requests [][]byte
	// Connections is how many requests are on their way at once.
	Connections int
	// WarmUp passes before anything is counted, Measure is how long it is counted.
	WarmUp, Measure time.Duration
	// Status is the only one that is right.
	Status int
}

// Result is what came of it.
type Result struct {
	// Rate is the number of answers per second.
	Rate float64
	// Answers is how many there were while it was counted.
	Answers int
	// Latencies are those of all counted answers, in no order.
	Latencies []time.Duration
}

// Run sends until the time is over. Counted calls, if it is not nil, are made when counting begins and ends.
func Run(ctx context.Context, o Options, counted func(begins bool)) (Result, error) {
	var next atomic.Int64
	begin := time.Now().Add(o.WarmUp)
	end := begin.Add(o.Measure)
	group, ctx := errgroup.WithContext(ctx)
	perConnection := make([][]time.Duration, o.Connections)
	for i := range perConnection {
		group.Go(func() error {
			latencies, err := o.connection(ctx, &next, begin, end)
			perConnection[i] = latencies
			return err
		})
	}
	if counted != nil {
		group.Go(func() error { return watch(ctx, begin, end, counted) })
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	latencies := slices.Concat(perConnection...)
	return Result{Rate: float64(len(latencies)) / o.Measure.Seconds(), Answers: len(latencies), Latencies: latencies}, nil
}

func watch(ctx context.Context, begin, end time.Time, counted func(begins bool)) error {
	for _, at := range []struct {
		time   time.Time
		begins bool
	}{{begin, true}, {end, false}} {
		select {
		case <-time.After(time.Until(at.time)):
			counted(at.begins)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (o *Options) connection(ctx context.Context, next *atomic.Int64, begin, end time.Time) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	// Requests that are not answered at all must not hang the measurement.
	if err := conn.SetDeadline(end.Add(30 * time.Second)); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	answers := bufio.NewReader(conn)
	var latencies []time.Duration
	for {
		started := time.Now()
		if started.After(end) || ctx.Err() != nil {
			return latencies, ctx.Err()
		}
		request := o.Requests[int(next.Add(1))%len(o.Requests)]
		if err := o.exchange(conn, answers, request); err != nil {
			return nil, err
		}
		if now := time.Now(); now.After(begin) && now.Before(end) {
			latencies = append(latencies, now.Sub(started))
		}
	}
}

// ErrStatus is the error of Run when an answer has the wrong status; test with errors.Is.
var ErrStatus = errors.New("answer with another status")

func (o *Options) exchange(conn io.Writer, answers *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if response.StatusCode != o.Status {
		return fmt.Errorf("%w: HTTP %d instead of %d: %.200s", ErrStatus, response.StatusCode, o.Status, text)
	}
	return nil
}
