// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
	"unicode"
)

// Wire structs hold pointers: nil is a field that is missing or null. Unknown
// fields are let through.

// decode reads data into v, a pointer to a fresh wire struct. Its errors name
// the field.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := "the answer"
		if wrong.Field != "" {
			what = wrong.Field
		}
		// For a number Value goes on with its digits, however many.
		return fmt.Errorf("%s is of type %.20s, want %s", what, wrong.Value, typeName(wrong.Type))
	}
	return err
}

// A row is one of a page. What does not fit in it is an error of its own, and not of
// the page.
type row[T any] struct {
	wire T
	err  error
}

func (r *row[T]) UnmarshalJSON(data []byte) error {
	r.err = decode(data, &r.wire)
	return nil
}

// typeName says in JSON's terms what a Go type takes.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	}
	return "object"
}

// A field is one a wire struct cannot do without.
type field struct {
	name string
	here bool
}

// need returns an error that names the first field that is not there.
func need(fields ...field) error {
	for _, f := range fields {
		if !f.here {
			return fmt.Errorf("%s is missing", f.name)
		}
	}
	return nil
}

// printable checks a name a server sent: not empty, and nothing that could upset
// a terminal. Beyond that it is the server's business.
func printable(field, s string) error {
	if s == "" {
		return fmt.Errorf("%s is empty", field)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == ' ' {
			return fmt.Errorf("%s is no name: %q", field, s)
		}
	}
	return nil
}

// maxSeconds is the end of the year 9999, beyond which time.Time cannot be
// written as text.
const maxSeconds = 253402300799

// seconds reads a Unix time. Nil is the zero time.
func seconds(field string, n *int64) (time.Time, error) {
	if n == nil {
		return time.Time{}, nil
	}
	if *n < 0 || *n > maxSeconds {
		return time.Time{}, fmt.Errorf("%s is %d, which is no time", field, *n)
	}
	return time.Unix(*n, 0).UTC(), nil
}

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
