// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/quayside/quayside/ref"
)

// Every way to print a secret, alone and inside other values, hides it.
func TestSecretDoesNotPrint(t *testing.T) {
	const value = "s3cr3tVALUE"
	secret := ref.NewSecret(value)
	pattern, err := ref.ParsePattern("kolla/*:v1?token=" + value)
	if err != nil {
		t.Fatal(err)
	}
	if secret.Reveal() != value || pattern.Token.Reveal() != value {
		t.Fatal("Reveal does not give the value")
	}
	type inside struct {
		Shown  ref.Secret
		hidden ref.Secret
		Deep   *ref.Secret
	}
	holder := inside{secret, secret, &secret}

	var out bytes.Buffer
	for _, v := range []any{
		secret, &secret, holder, &holder, []ref.Secret{secret}, map[string]ref.Secret{"a": secret},
		map[ref.Secret]int{secret: 1}, pattern, &pattern, fmt.Errorf("wrapped: %v", secret),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%T", "%p", "%e", "%10.3s", "% x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprint(&out, v)
		fmt.Fprintln(&out, v)
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("json of %T: %v", v, err)
		}
		out.Write(text)
		if text, err = yaml.Marshal(v); err == nil {
			out.Write(text)
		}
		options := &slog.HandlerOptions{AddSource: true}
		slog.New(slog.NewTextHandler(&out, options)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&out, options)).Info("json", "v", v)
	}
	for _, form := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), fmt.Sprintf("% x", value)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the output holds %q", form)
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("the output does not say that something was redacted")
	}
}

func TestSecretForms(t *testing.T) {
	text, err := ref.NewSecret("x").MarshalText()
	if err != nil || string(text) != "[redacted]" {
		t.Errorf("MarshalText gives %q, %v", text, err)
	}
	var none ref.Secret
	if !none.IsZero() || !ref.NewSecret("").IsZero() || none.String() != "" || none.Reveal() != "" {
		t.Error("the zero Secret is not empty")
	}
	if ref.NewSecret("x").IsZero() {
		t.Error("a Secret that is set counts as none")
	}
}
