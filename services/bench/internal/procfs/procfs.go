// Package procfs reads from Linux' /proc what a process has used. Elsewhere every process has used nothing that is known.
//
// # Concurrency
//
// All functions are safe for concurrent use.
package procfs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc/<pid>/stat: USER_HZ is 100 on every Linux architecture that Go supports (proc(5)).
const tick = 10 * time.Millisecond

// Usage is what a process has used since its start. The zero value means that it is not known.
type Usage struct {
	// CPU is user and system time.
	CPU time.Duration
	// RSS is the resident memory in bytes, Peak the most that it has been since the start or the last ResetPeak.
	RSS, Peak int64
}

// Read reads the usage of a process; it is zero where /proc does not tell.
func Read(pid int) Usage {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}
	}
	usage, err := parse(string(stat), string(status))
	if err != nil {
		return Usage{}
	}
	return usage
}

// Since is the usage after an earlier reading: CPU is the difference, memory is that of u.
func (u Usage) Since(before Usage) Usage {
	u.CPU -= before.CPU
	return u
}

// ResetPeak lets Peak start anew, if the kernel allows it.
func ResetPeak(pid int) {
	// A peak that is not reset reads too high, never too low.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

var errFormat = errors.New("not the format of proc(5)")

func parse(stat, status string) (Usage, error) {
	// The second field is the command in parentheses, and may hold blanks and parentheses itself.
	after := strings.LastIndexByte(stat, ')')
	if after < 0 {
		return Usage{}, fmt.Errorf("stat: %w", errFormat)
	}
	fields := strings.Fields(stat[after+1:])
	const utime, stime = 14 - 3, 15 - 3 // counted from 1, and two fields stand before
	if len(fields) <= stime {
		return Usage{}, fmt.Errorf("stat: %w", errFormat)
	}
	user, err := strconv.ParseInt(fields[utime], 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("user time: %w", err)
	}
	system, err := strconv.ParseInt(fields[stime], 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("system time: %w", err)
	}
	usage := Usage{CPU: time.Duration(user+system) * tick}
	if usage.RSS, err = kilobytes(status, "VmRSS:"); err != nil {
		return Usage{}, err
	}
	usage.Peak, err = kilobytes(status, "VmHWM:")
	return usage, err
}

func kilobytes(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s %w", name, err)
			}
			return n << 10, nil
		}
	}
	return 0, fmt.Errorf("status without %s %w", name, errFormat)
}
