// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/quayside/quayside/internal/transport"
	"github.com/quayside/quayside/quay"
)

func TestWhatToCheckWhenAHostIsOutOfReach(t *testing.T) {
	nowhere := fmt.Errorf("list: %w", &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "quay.exmaple", IsNotFound: true}})
	for _, text := range []string{advise(nowhere).Error(), connectionAdvice("quay.exmaple", nowhere), Unreached("docker://quay.exmaple/x", "quay.exmaple", nowhere).Error()} {
		if !strings.Contains(text, "how quay.exmaple is spelled") {
			t.Error(text)
		}
	}
	behind := &transport.ProxyError{Proxy: "proxy:3128", Err: nowhere}
	if text := advise(behind).Error(); !strings.Contains(text, "NO_PROXY") || strings.Contains(text, "spelled") {
		t.Error(text)
	}
	other := errors.New("connection refused")
	if text := advise(other).Error(); text != other.Error() {
		t.Error(text)
	}
}

// A refused connection says what to check; a timeout does not blame the address.
func TestRefusedConnectionHasAdvice(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	if got := advise(dial).Error(); !strings.HasSuffix(got, "; check the host and its port, and that a server runs there") {
		t.Error(got)
	}
	for _, err := range []error{
		&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET},
		&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded},
	} {
		if got := advise(err); got != err {
			t.Error(got)
		}
	}
}

// An organization with a dot is parsed as a host, and the error explains that.
func TestAnOrganizationThatIsReadAsAHost(t *testing.T) {
	gone := func(host string) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	client, err := quay.New()
	if err != nil {
		t.Fatal(err)
	}
	wrapped := func(host string) error { return fmt.Errorf("%w: %w", quay.ErrUnavailable, gone(host)) }
	l := &Server{Client: client, Host: "openstack.kolla", home: "quay.io"}
	if got := l.Advise(wrapped("openstack.kolla")).Error(); !strings.HasSuffix(got, "write its host before it, as in quay.io/openstack.kolla/REPO") {
		t.Error(got)
	}
	l = &Server{Client: client, Host: "quay.exmaple", home: "quay.exmaple"}
	if got := l.Advise(wrapped("quay.exmaple")).Error(); strings.Contains(got, "organization") {
		t.Error(got)
	}
}
