package model

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/evidence"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/words"
)

// Apply stores what is newer than what the model holds, and removes what is gone, all of it or nothing. An entry that covers
// less than the one that is there is ignored, so that entries may be repeated and come in any order. A body that is no JSON object is an
// error. Batches of some hundred are fastest.
func (m *Model) Apply(ctx context.Context, entries []Entry) (err error) {
	all, err := prepare(entries)
	if err != nil {
		return err
	}
	m.applying.Lock()
	defer m.applying.Unlock()
	tx, err := m.store.writing.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a batch: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // After the commit it does nothing.
	b := &batch{tx: tx, statements: map[string]*sql.Stmt{}, owners: map[uint32]uint32{}, net: map[string]int{}}
	defer b.close()
	for _, e := range all {
		if err := b.apply(ctx, e); err != nil {
			return fmt.Errorf("apply a %s of %s: %w", e.Key.Kind, e.Key.Source, err)
		}
	}
	if err := b.nears(ctx, m.words); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit a batch: %w", err)
	}
	m.owners.set(b.owners)
	m.words.Apply(b.changes)
	m.contracts.Add(b.contracts)
	m.customers.Add(b.customers)
	m.unscrubbed = m.unscrubbed || b.removed
	m.scrub(ctx)
	m.shrink(ctx, len(entries))
	return nil
}

// building is how many entries a batch has, at least, while the model is built.
const building = 100

// shrink gives back the page cache that building has filled, with the first small batch after it.
func (m *Model) shrink(ctx context.Context, entries int) {
	if entries >= building {
		m.grown = true
		return
	}
	if !m.grown {
		return
	}
	m.grown = false
	if _, err := m.store.writing.ExecContext(ctx, `PRAGMA shrink_memory`); err != nil {
		m.log.WarnContext(ctx, "the page cache of the read model was not given back", "error", err)
	}
}

// scrub empties the write-ahead log after a delete, as what is gone still stands in it. If a reader holds on to an older state, the
// next batch tries again.
func (m *Model) scrub(ctx context.Context) {
	if !m.unscrubbed {
		return
	}
	var busy, pages, moved int
	err := m.store.writing.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err != nil {
		m.log.WarnContext(ctx, "the log of the read model was not emptied after a delete; the next change tries again", "error", err)
		return
	}
	m.unscrubbed = busy != 0
}

// prepared is an entry that has been read.
type prepared struct {
	Entry

	record *evidence.Record // nil if it is gone
	terms  terms
}

// prepare reads the bodies, on all processors.
func prepare(entries []Entry) ([]prepared, error) {
	all := make([]prepared, len(entries))
	var g errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() error {
			for i := w; i < len(entries); i += workers {
				p := prepared{Entry: entries[i]}
				if p.Body == "" {
					p.EnneoID = ""
				} else {
					var err error
					if p.record, err = evidence.Read(p.Body); err != nil {
						return fmt.Errorf("read a %s of %s: %w", p.Key.Kind, p.Key.Source, err)
					}
				}
				p.terms = termsOf(p.Key.Kind, p.EnneoID, p.record)
				all[i] = p
			}
			return nil
		})
	}
	return all, g.Wait()
}

// batch is a transaction with the changes in memory that follow it.
type batch struct {
	tx         *sql.Tx
	statements map[string]*sql.Stmt
	changes    []words.Change
	owners     map[uint32]uint32
	// net is by how many documents a forgiving word has become more or fewer.
	net                  map[string]int
	contracts, customers int64
	// removed tells that a record is gone.
	removed bool
}

func (b *batch) close() {
	for _, s := range b.statements {
		_ = s.Close()
	}
}

// statement prepares a statement once.
func (b *batch) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := b.statements[query]; ok {
		return s, nil
	}
	s, err := b.tx.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	b.statements[query] = s
	return s, nil
}

func (b *batch) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := b.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	return result, nil
}

// stored is a record as it is in the store.
type stored struct {
	doc             int64
	enneoID, body   string
	owner           int64
	epoch, sequence int64
}

func (b *batch) find(ctx context.Context, k key.Key) (*stored, error) {
	s, err := b.statement(ctx, `SELECT doc, enneo_id, body, owner, epoch, sequence FROM record WHERE source = ? AND kind = ? AND id = ?`)
	if err != nil {
		return nil, err
	}
	r := &stored{}
	err = s.QueryRowContext(ctx, k.Source, kindNumber(k.Kind), k.ID).Scan(&r.doc, &r.enneoID, &r.body, &r.owner, &r.epoch, &r.sequence)
	switch {
	case none(err):
		return nil, nil //nolint:nilnil // No record is no error, and common.
	case err != nil:
		return nil, fmt.Errorf("read: %w", err)
	}
	return r, nil
}

// apply stores or removes one record.
func (b *batch) apply(ctx context.Context, e prepared) error {
	old, err := b.find(ctx, e.Key)
	if err != nil {
		return err
	}
	if old != nil && !e.Covers.Covers(positionOf(old.epoch, old.sequence)) {
		return nil
	}
	var before *evidence.Record
	if old != nil && old.body != "" {
		if before, err = evidence.Read(old.body); err != nil {
			return err
		}
	}
	owner := int64(0)
	if e.record != nil {
		if owner, err = b.ownerOf(ctx, e); err != nil {
			return err
		}
	}
	was := terms{}
	if old == nil {
		old = &stored{}
		result, err := b.exec(ctx,
			`INSERT INTO record (source, kind, id, enneo_id, owner, epoch, sequence, read_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.Key.Source, kindNumber(e.Key.Kind), e.Key.ID, e.EnneoID, owner, int64(e.Covers.Epoch), int64(e.Covers.Sequence), nanosecondsOf(e.ReadAt), e.Body)
		if err != nil {
			return err
		}
		if old.doc, err = result.LastInsertId(); err != nil {
			return fmt.Errorf("number of the record: %w", err)
		}
	} else {
		was = termsOf(e.Key.Kind, old.enneoID, before)
		if _, err := b.exec(ctx,
			`UPDATE record SET enneo_id = ?, owner = ?, epoch = ?, sequence = ?, read_at = ?, body = ? WHERE doc = ?`,
			e.EnneoID, owner, int64(e.Covers.Epoch), int64(e.Covers.Sequence), nanosecondsOf(e.ReadAt), e.Body, old.doc); err != nil {
			return err
		}
	}
	if err := b.index(ctx, old.doc, was, e.terms); err != nil {
		return err
	}
	b.count(e.Key.Kind, before != nil, e.record != nil)
	b.owners[uint32(old.doc)] = uint32(owner)
	b.removed = b.removed || before != nil && e.record == nil
	if old.owner != owner {
		return b.disown(ctx, old.owner)
	}
	return nil
}

func (b *batch) count(kind key.Kind, before, after bool) {
	n := &b.contracts
	if kind == key.Customer {
		n = &b.customers
	}
	if before {
		*n--
	}
	if after {
		*n++
	}
}

// ownerOf is the number of the customer that a record belongs to, which is made if it is new.
func (b *batch) ownerOf(ctx context.Context, e prepared) (int64, error) {
	id := e.EnneoID
	if e.Key.Kind == key.Contract {
		id = e.record.CustomerID
	}
	s, err := b.statement(ctx, `SELECT no FROM customer WHERE enneo_id = ? AND source = ?`)
	if err != nil {
		return 0, err
	}
	var no int64
	err = s.QueryRowContext(ctx, id, e.Key.Source).Scan(&no)
	switch {
	case err == nil:
		return no, nil
	case !none(err):
		return 0, fmt.Errorf("read the customer: %w", err)
	}
	result, err := b.exec(ctx, `INSERT INTO customer (source, enneo_id, folded) VALUES (?, ?, ?)`, e.Key.Source, id, german.Joined(id))
	if err != nil {
		return 0, err
	}
	if no, err = result.LastInsertId(); err != nil {
		return 0, fmt.Errorf("number of the customer: %w", err)
	}
	return no, nil
}

// disown removes a customer that nothing belongs to any more.
func (b *batch) disown(ctx context.Context, owner int64) error {
	if owner == 0 {
		return nil
	}
	_, err := b.exec(ctx, `DELETE FROM customer WHERE no = ? AND NOT EXISTS (SELECT 1 FROM record WHERE owner = ?)`, owner, owner)
	return err
}

// index writes the difference of terms.
func (b *batch) index(ctx context.Context, doc int64, was, is terms) error {
	for n := range was.numbers {
		if !is.numbers[n] {
			if _, err := b.exec(ctx, `DELETE FROM number WHERE tag = ? AND value = ? AND doc = ?`, n.tag, n.value, doc); err != nil {
				return err
			}
		}
	}
	for n := range is.numbers {
		if !was.numbers[n] {
			if _, err := b.exec(ctx, `INSERT INTO number (tag, value, doc) VALUES (?, ?, ?)`, n.tag, n.value, doc); err != nil {
				return err
			}
		}
	}
	for w := range was.words {
		if !is.words[w] {
			b.change(w, uint32(doc), true)
		}
	}
	for w := range is.words {
		if !was.words[w] {
			b.change(w, uint32(doc), false)
		}
	}
	return nil
}

func (b *batch) change(w words.Word, doc uint32, remove bool) {
	b.changes = append(b.changes, words.Change{Word: w, Document: doc, Remove: remove})
	if !forgiving(w.Field) {
		return
	}
	if remove {
		b.net[w.Text]--
	} else {
		b.net[w.Text]++
	}
}

// nears adds the codes of words that nobody had before, and removes those of words that nobody has any more.
func (b *batch) nears(ctx context.Context, index *words.Index) error {
	for text, net := range b.net {
		before := 0
		for _, f := range forgivingFields() {
			before += index.Count(words.Word{Field: f, Text: text})
		}
		var query string
		switch {
		case before == 0 && net > 0:
			query = `INSERT INTO near (code, word) VALUES (?, ?)`
		case before > 0 && before+net == 0:
			query = `DELETE FROM near WHERE code = ? AND word = ?`
		default:
			continue
		}
		for _, code := range nearCodes(text) {
			if _, err := b.exec(ctx, query, code, text); err != nil {
				return errors.Join(errors.New("write the spellings of a word"), err)
			}
		}
	}
	return nil
}
