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

// Fields of wire structs are pointers; nil is a field that is missing or null.
// Unknown fields are ignored.

// decode decodes data into v, a pointer to a new wire struct. Its errors name the
// field.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := "the answer"
		if wrong.Field != "" {
			what = wrong.Field
		}
		// For a number, Value also has all its digits.
		return fmt.Errorf("%s is of type %.20s, want %s", what, wrong.Value, typeName(wrong.Type))
	}
	return err
}

// A row is an item of a page. An error of one row is not an error of the page.
type row[T any] struct {
	wire T
	err  error
}

func (r *row[T]) UnmarshalJSON(data []byte) error {
	r.err = decode(data, &r.wire)
	return nil
}

// typeName returns the JSON type that a Go type decodes.
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

// A field is a required field of a wire struct.
type field struct {
	name    string
	present bool
}

// need returns an error that names the first missing field, or nil.
func need(fields ...field) error {
	for _, f := range fields {
		if !f.present {
			return fmt.Errorf("%s is missing", f.name)
		}
	}
	return nil
}

// printable returns an error if a server's name is empty or has a character that does
// not print.
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

// maxSeconds is the end of the year 9999, the last year that time.Time marshals as
// text.
const maxSeconds = 253402300799

// seconds converts a Unix time. Nil is the zero time.
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
