package measuring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	// The same driver as the read model's.
	_ "modernc.org/sqlite"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/evaluation"
)

// likeQuestions is how many questions of a call are put to LIKE, which takes its time.
const likeQuestions = 40

// like is a plain table with a row for each contract, searched with LIKE, as somebody does who has a database and an afternoon.
type like struct {
	dir string
	db  *sql.DB
}

func openLike(ctx context.Context, dir string) (*like, error) {
	folder, err := os.MkdirTemp(dir, "measure-like-")
	if err != nil {
		return nil, fmt.Errorf("folder of the plain table: %w", err)
	}
	l := &like{dir: folder}
	if l.db, err = sql.Open("sqlite", "file:"+filepath.Join(folder, "like.db")+"?_pragma=journal_mode(off)&_pragma=synchronous(off)&_pragma=cache_size(-65536)"); err != nil {
		return nil, errors.Join(err, l.close())
	}
	l.db.SetMaxOpenConns(1)
	_, err = l.db.ExecContext(ctx, `CREATE TABLE contract (
		id TEXT, customer_id TEXT, firstname TEXT, lastname TEXT, company TEXT, email TEXT, phone TEXT, meter TEXT, address TEXT, zip TEXT)`)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create the plain table: %w", err), l.close())
	}
	return l, nil
}

func (l *like) close() error {
	var err error
	if l.db != nil {
		err = l.db.Close()
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// fill makes the same customers again.
func (l *like) fill(ctx context.Context, seed uint64, contracts int) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("fill the plain table: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // After the commit it does nothing.
	insert, err := tx.PrepareContext(ctx, `INSERT INTO contract VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return fmt.Errorf("fill the plain table: %w", err)
	}
	defer func() { _ = insert.Close() }()
	source := evaluation.NewSource(seed, contracts)
	for n := 0; n < contracts; {
		c := source.Next()
		for _, contract := range c.Contracts {
			n++
			if _, err := insert.ExecContext(
				ctx, contract.ID, c.ID, c.First, c.Last, c.Company, c.Email, c.Phone, contract.Meter, contract.Delivery.Line(), contract.Delivery.Zip,
			); err != nil {
				return fmt.Errorf("fill the plain table: %w", err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("fill the plain table: %w", err)
	}
	return nil
}

// calls measures C by name and address, and D by any words.
func (l *like) calls(ctx context.Context, w *evaluation.World) ([]Call, error) {
	c, d := timer{name: "C by LIKE"}, timer{name: "D by LIKE"}
	for i := range min(likeQuestions, len(w.Customers)) {
		customer := &w.Customers[i]
		c.time(func() error {
			return l.query(ctx,
				`SELECT id FROM contract WHERE lastname LIKE ? AND firstname LIKE ? AND company LIKE ? AND address LIKE ? AND zip LIKE ? LIMIT 2`,
				customer.Last, customer.First, customer.Company, customer.Home.Street+" "+customer.Home.House+"%", customer.Home.Zip)
		})
		var conditions []string
		var args []any
		for word := range strings.FieldsSeq(customer.Last + " " + customer.First + customer.Company + " " + customer.Home.Zip) {
			conditions = append(conditions,
				`(id LIKE ? OR customer_id LIKE ? OR firstname LIKE ? OR lastname LIKE ? OR company LIKE ? OR email LIKE ? OR meter LIKE ? OR address LIKE ?)`)
			for range 8 {
				args = append(args, "%"+word+"%")
			}
		}
		d.time(func() error {
			return l.query(ctx, `SELECT DISTINCT customer_id FROM contract WHERE `+strings.Join(conditions, " AND ")+` LIMIT 10`, args...)
		})
	}
	return []Call{c.call(), d.call()}, errors.Join(c.err, d.err)
}

func (l *like) query(ctx context.Context, query string, args ...any) error {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("search with LIKE: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var id string
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("search with LIKE: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("search with LIKE: %w", err)
	}
	return nil
}
