//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

type point struct {
	signal syscall.Signal
	left   int
}

var (
	mu     sync.Mutex
	points = parse(os.Getenv("FAILPOINTS"))
)

func parse(text string) map[string]*point {
	all := map[string]*point{}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		name, action, _ := strings.Cut(item, "=")
		action, times, counted := strings.Cut(action, ":")
		p := &point{left: 1}
		// A list that says something else than it means would make the test that gave it prove nothing.
		switch action {
		case "kill":
			p.signal = syscall.SIGKILL
		case "stop":
			p.signal = syscall.SIGSTOP
		default:
			panic("FAILPOINTS: " + item + ": say <name>=kill or <name>=stop")
		}
		if counted {
			n, err := strconv.Atoi(times)
			if err != nil || n < 1 {
				panic("FAILPOINTS: " + item + ": not a number of times: " + times)
			}
			p.left = n
		}
		all[name] = p
	}
	return all
}

// Hit marks the moment called name, and kills or stops the process if FAILPOINTS says so; then it does not return before
// the process was continued. It announces that on standard error first ("failpoint <name>"), for the test that waits for it.
func Hit(name string) {
	mu.Lock()
	p := points[name]
	if p == nil || p.left == 0 {
		mu.Unlock()
		return
	}
	p.left--
	fire := p.left == 0
	mu.Unlock()
	if !fire {
		return
	}
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	fmt.Fprintf(os.Stderr, "failpoint %s\n", name)
	// The signal goes to the process, so every goroutine stops with this one.
	_ = syscall.Kill(os.Getpid(), p.signal)
	// Another thread may be the one that takes the signal, and this one would run on until then.
	<-continued
}
