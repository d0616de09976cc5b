// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/quayside/quayside/ref"
)

func ExampleParsePattern() {
	p, err := ref.ParsePattern("quay.io/kolla/nova-*,!*-debug:~2025.1?since=30d")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Host, p.Namespace, p.Repositories, p.Tags, p.Since)
	fmt.Println(p.Repositories.Match("nova-api"), p.Repositories.Match("nova-debug"))
	fmt.Println(p.Tags.Match("2025.1-ubuntu-noble"), p.Tags.Match("2025.2"))
	fmt.Println(p)
	// Output:
	// quay.io kolla nova-*,!*-debug ~2025.1 30d
	// true false
	// true false
	// quay://quay.io/kolla/nova-*,!*-debug:~2025.1?since=30d
}

func ExampleParsePattern_defaults() {
	p, err := ref.ParsePattern("quay://kolla")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Repositories, p.Tags)
	// Output: * latest
}

func ExampleSyntaxError() {
	_, err := ref.ParsePattern("quay://kolla/Nova-*:2025.1")
	fmt.Println(err)
	var syntax *ref.SyntaxError
	if errors.As(err, &syntax) {
		fmt.Println(syntax.Offset)
	}
	// Output:
	// ref: repository: 'N' is upper case; names are lower case
	//   quay://kolla/Nova-*:2025.1
	//                ^
	// 13
}

// "*" leaves nested repositories out; MatchAcross reports which.
func ExampleRepositories_MatchAcross() {
	r, err := ref.ParseRepositories("*-api")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"nova-api", "tools/nova-api", "tools/other"} {
		nested := !r.Match(name) && r.MatchAcross(name)
		fmt.Println(name, r.Match(name), nested)
	}
	// Output:
	// nova-api true false
	// tools/nova-api false true
	// tools/other false false
}

func ExampleRepositories_Literal() {
	r, err := ref.ParseRepositories("tools/inner/deep")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Literal())
	// Output: tools/inner/deep true
}

func ExampleParseTags() {
	list, err := ref.ParseTags(">=4.12 <4.15,latest")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, tag := range []string{"4.14.9", "v4.13", "4.14.0-x86_64", "latest", "4.15.0", "4.14.0-rc.1", "20240101"} {
		fmt.Println(tag, list.Match(tag))
	}
	// Output:
	// 4.14.9 true
	// v4.13 true
	// 4.14.0-x86_64 true
	// latest true
	// 4.15.0 false
	// 4.14.0-rc.1 false
	// 20240101 false
}

func ExampleTags_Exact() {
	list, err := ref.ParseTags("2025.1-{ubuntu-noble,rocky-9}")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(list.Exact())
	// Output: [2025.1-ubuntu-noble 2025.1-rocky-9] true
}

func ExampleTags_Literal() {
	list, err := ref.ParseTags("2025.1-ubuntu-*,2025.1-rocky-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(list.Literal())
	// Output: 2025.1-
}

func ExampleSince_Time() {
	since, err := ref.ParseSince("2w")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2025, 3, 15, 12, 0, 0, 0, time.UTC)
	fmt.Println(since.Time(now))
	// Output: 2025-03-01 12:00:00 +0000 UTC
}

func ExampleParseImage() {
	i, err := ref.ParseImage("quay://registry.example:8443/kolla/tools/nova-api")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(i.Host, i.Namespace, i.Repository, i.Tag)
	fmt.Println(i)
	// Output:
	// registry.example:8443 kolla tools/nova-api latest
	// registry.example:8443/kolla/tools/nova-api:latest
}
