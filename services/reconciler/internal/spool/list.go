package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// List is a list of texts without line breaks, in the order in which they were added.
type List struct {
	file   *os.File
	writer *bufio.Writer
	length int
}

// NewList makes an empty list whose file is in dir, the system's directory for temporary files if empty.
func NewList(dir string) (*List, error) {
	file, err := temporary(dir)
	if err != nil {
		return nil, err
	}
	return &List{file: file, writer: bufio.NewWriterSize(file, bufferSize)}, nil
}

// Add appends a text.
func (l *List) Add(text string) error {
	if _, err := l.writer.WriteString(text + "\n"); err != nil {
		return fmt.Errorf("write a temporary file: %w", err)
	}
	l.length++
	return nil
}

// Len is the number of texts.
func (l *List) Len() int { return l.length }

// Chunks visits all texts, at most size at a time.
func (l *List) Chunks(size int, visit func(texts []string) error) error {
	if err := l.writer.Flush(); err != nil {
		return fmt.Errorf("write a temporary file: %w", err)
	}
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a temporary file: %w", err)
	}
	lines := bufio.NewScanner(l.file)
	chunk := make([]string, 0, size)
	for lines.Scan() {
		if chunk = append(chunk, lines.Text()); len(chunk) < size {
			continue
		}
		if err := visit(chunk); err != nil {
			return err
		}
		chunk = chunk[:0]
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read a temporary file: %w", err)
	}
	if len(chunk) == 0 {
		return nil
	}
	return visit(chunk)
}

// Close gives everything back.
func (l *List) Close() error { return errors.Join(l.writer.Flush(), l.file.Close()) }
