// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ref parses what a user writes to select images: a [Pattern] (many images of
// one organization) and an [Image] reference (one image). It works on text only: it
// asks no server, reads no file and needs no clock. Package discover takes a
// Pattern and finds the images.
//
// A pattern is
//
//	[quay://] [HOST/] ORG [/REPOSITORIES] [:TAGS] [?since=SINCE]
//
//	quay://kolla/nova-*:2025.1            repositories nova-... that carry the tag 2025.1
//	quay.io/kolla/{nova,neutron}-*        two families on quay.io, the tag latest
//	quay://kolla                          every repository without a slash in its name, latest
//	localhost:5000/kolla/**:~2025.1       every repository of a local server, tags of 2025.1
//	kolla/*,!*-debug:2025.1?since=30d     all but some, set in the last 30 days
//
// # How a pattern is parsed
//
//   - The query begins at the first "?" that a word and "=" follow; any other
//     "?" is part of a glob. The only key is since. Values are percent-escaped; a
//     "+" is a plus. A token is refused: other users can read a command line.
//   - The scheme is "quay://" and may be left out.
//   - The first part is a host if a slash follows it and it has a dot or a
//     port or is "localhost". An organization with a dot therefore needs its host,
//     as in quay.io/my.org/nova, unless only globs follow: my.org/*.
//   - The tags follow the first colon after the organization, outside braces and
//     classes. Repositories and tags have no colon, and tags no slash.
//   - In repositories and tags, %XX is unescaped after the parts are separated, so
//     %2C separates items of a list and %3F is a "?" of a glob.
//   - Without repositories the pattern means "*", and without a colon "latest". A
//     colon with nothing after it is an error.
//
// # Repositories and tags
//
// Both are lists separated by commas outside braces. Spaces around an item are
// ignored. A name is selected if an item matches it and no item that begins with
// "!" does. A list of "!" items alone begins with "*".
//
//	item     matches                          example      matches
//	*        any characters but "/"           nova-*       nova-api; not tools/nova-api
//	**       any characters                   tools/**     tools/a, tools/a/b; not tools
//	**/      at the start of a segment,       **/deep      deep, a/deep, a/b/deep
//	         zero or more segments
//	?        one character but "/"            v?           v1
//	[a-z]    one of these                     image-[0-4]  image-0
//	[!a-z]   one but these and "/"            image-[!0-4] image-7; [^0-4] is the same
//	{a,b}    either; may be empty, may nest   nova{,-api}  nova, nova-api
//
// Unlike in Python's fnmatch, "*" does not match a slash; see
// [Repositories.MatchAcross]. There is no backslash, because no name needs an
// escape. A name or glob that the registry's grammar can never match, such as
// upper case in a repository, is an error. All limits are generous, and matching
// takes about length(glob) times length(name) steps at most.
//
// # Version ranges
//
// An item of a tag list that begins with one of >= > <= < = ~ ^ is a range:
// comparisons separated by spaces, all of which must hold. "!=" is allowed after
// the first. A comma means "or", so ">=4.12,<4.15" would match everything and is an
// error.
//
//	~2025.1        2025.1, 2025.1.3; not 2025.2     ~4        4.0, 4.15
//	^1.2           1.2, 1.9; not 2.0                =4.12     4.12, 4.12.7
//	>=4.12 <4.15   4.12, 4.14.9; not 4.15           >4.12     4.13; not 4.12.7
//	<=4.12         4.12.7; not 4.13                 >=4 !=4.5 4.4, 4.6; not 4.5.1
//
// A tag is a version if it is an optional "v", one to three numbers separated by
// dots, and an optional suffix after "-" or "_". Missing numbers are 0, and
// leading zeros are ignored. "latest" is not a version, nor is a date (20240101,
// 2024-01-01, 2024.01.31) or a tag whose first number has five digits or more.
//
// The suffix is a pre-release, a variant, or one and then the other:
//
//   - A pre-release begins with alpha, beta, canary, dev, devel, milestone,
//     nightly, pre, preview, rc or snapshot, or is a, b or m and a number:
//     4.14.0-rc.1, 2.0-beta3. It comes before its release, and a range has it
//     only if one of the comparisons names a pre-release: ">=4.14.0-rc.1".
//     Numbers in it compare as numbers: rc9 is before rc10.
//   - Any other suffix is a variant: ubuntu-noble, x86_64, alpine3.20. Ranges
//     ignore it: 2025.1-ubuntu-noble is in ~2025.1. A range that names a variant
//     selects only that variant: "~2025.1-ubuntu-noble". "~2025.1,!*-*" selects
//     tags without a variant.
//
// # Image references
//
// [quay://][HOST/]ORG/REPO[:TAG][@DIGEST], with the same rule for the host, and without
// globs, query or escapes. Without tag and digest the tag is latest.
//
// # Errors
//
// Every error is a [*SyntaxError]: it shows the input, without tokens and passwords,
// and points at the character. The types are immutable values and safe for
// concurrent use. The result of String parses to an equal value.
//
// # Compatibility
//
// The package follows semantic versioning together with its module. A minor version
// may add functions, methods, fields of structs, keys of the query, and patterns
// that were errors before. It changes the meaning of no valid pattern. The texts of
// errors may change: test for [*SyntaxError].
package ref
