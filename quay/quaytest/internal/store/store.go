// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package store holds what an embedded Quay has: accounts, namespaces,
// repositories, tags, manifests and blobs, each indexed so that no request scans
// all of them, and the rights of callers on them.
//
// A dataset is added once with the Add methods, users and organizations first, and
// [Store.Seal] ends that. From then on the dataset never changes. What clients
// push is kept beside it (push.go). A sealed store is safe for concurrent use, and
// readers take no lock.
package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// markedForDeletion is the state of a repository that no route shows any more
// (doc/quay-api.md section 1, field state).
const markedForDeletion = "MARKED_FOR_DELETION"

// Options are how a server differs from a usual Quay.
type Options struct {
	PushLimit   int64  // bytes of blobs and manifests that clients may push
	NoAnonymous bool   // FEATURE_ANONYMOUS_ACCESS is off
	Vanished    string // a repository ("namespace/name") that is listed and cannot be found
}

// A Store holds the content of one server.
//
// A repository is known by its position, which is its place in every listing:
// first the repositories of the dataset, in their order, then those that pushes
// create. Lists of positions are in rising order.
type Store struct {
	options      Options
	users        map[string]*User
	tokens       map[string]*Token
	callers      map[string]Caller // account of each valid token
	robots       map[string]*Robot
	namespaces   map[string]*Namespace
	owned        map[string][]*Namespace // by user
	repositories []Repository
	public       []int32                   // of all namespaces
	roles        map[string]map[int32]Role // direct permissions by user or robot
	direct       map[string][]int32        // the same by user, as a list
	manifests    map[key]*Manifest
	manifestsOf  map[string][]*Manifest // by repository, in the dataset's order
	children     map[*Manifest]Children
	blobs        map[key]bool
	content      map[digest.Digest]*Blob
	pushed       *pushes
}

// A key names a manifest or blob, since a digest has a meaning only within a
// repository ("namespace/name").
type key struct {
	repository string
	digest     digest.Digest
}

// New returns an empty store.
func New(o Options) *Store {
	return &Store{
		options: o, users: map[string]*User{}, tokens: map[string]*Token{}, callers: map[string]Caller{}, robots: map[string]*Robot{},
		namespaces: map[string]*Namespace{}, owned: map[string][]*Namespace{}, roles: map[string]map[int32]Role{},
		direct: map[string][]int32{}, manifests: map[key]*Manifest{}, manifestsOf: map[string][]*Manifest{},
		children: map[*Manifest]Children{}, blobs: map[key]bool{}, content: map[digest.Digest]*Blob{}, pushed: &pushes{limit: o.PushLimit},
	}
}

// Seal ends the adding of a dataset.
func (s *Store) Seal() { s.addChildren() }

// The kinds of namespaces.
const (
	KindUser         = "user"
	KindOrganization = "organization"
)

// A Namespace is an organization or a user, with its repositories.
type Namespace struct {
	Name     string
	Kind     string
	Enabled  bool
	Owners   []string // see all repositories
	Creators []string // may create repositories

	byName map[string]int32
	all    []int32
	public []int32
	direct map[string][]int32 // repositories with a permission of the user's own, by user
}

// OwnedBy reports whether a user owns the namespace. Nobody owns a nil namespace,
// and "" owns none.
func (n *Namespace) OwnedBy(user string) bool {
	return n != nil && user != "" && slices.Contains(n.Owners, user)
}

// AddUser adds a user with a namespace of that name.
func (s *Store) AddUser(u User) error {
	s.users[u.Name] = &u
	return s.addNamespace(&Namespace{Name: u.Name, Kind: KindUser, Enabled: u.Enabled, Owners: []string{u.Name}})
}

// AddOrganization adds an organization, whose owners must have been added before.
func (s *Store) AddOrganization(name string, enabled bool, owners, creators []string) error {
	return s.addNamespace(&Namespace{Name: name, Kind: KindOrganization, Enabled: enabled, Owners: owners, Creators: creators})
}

// addNamespace adds a user or organization: they share one set of names.
func (s *Store) addNamespace(n *Namespace) error {
	if n.Name == "" || s.namespaces[n.Name] != nil {
		return fmt.Errorf("namespace %q: the name is empty or used twice", n.Name)
	}
	n.byName, n.direct = map[string]int32{}, map[string][]int32{}
	s.namespaces[n.Name] = n
	for _, owner := range n.Owners {
		if s.users[owner] == nil {
			return fmt.Errorf("owner %q of %s is not a user", owner, n.Name)
		}
		s.owned[owner] = append(s.owned[owner], n)
	}
	return nil
}

// Namespace returns the namespace of a name, or nil.
func (s *Store) Namespace(name string) *Namespace { return s.namespaces[name] }

// Owned returns the namespaces that a user owns.
func (s *Store) Owned(user string) []*Namespace { return s.owned[user] }

// A Repository is a repository as it is at a time. It never changes.
type Repository struct {
	Namespace   string
	Name        string
	Description string
	Public      bool
	State       string // "" is NORMAL
	Tags        *Tags
}

// FullName returns "namespace/name".
func (r *Repository) FullName() string { return r.Namespace + "/" + r.Name }

// Status returns the repository's state as the API names it.
func (r *Repository) Status() string {
	if r.State == "" {
		return "NORMAL"
	}
	return r.State
}

// Grow makes room for n repositories.
func (s *Store) Grow(n int) { s.repositories = slices.Grow(s.repositories, n) }

// A Permission is a direct role of a user or robot on a repository.
type Permission struct {
	Account string
	Role    Role
}

// AddRepository adds a repository, whose namespace must have been added before.
func (s *Store) AddRepository(r Repository, permissions []Permission) error {
	id := int32(len(s.repositories))
	s.repositories = append(s.repositories, r)
	n := s.namespaces[r.Namespace]
	if n == nil {
		return fmt.Errorf("repository %s: no such namespace", r.FullName())
	}
	if r.State == markedForDeletion {
		return nil
	}
	if _, twice := n.byName[r.Name]; twice || r.Name == "" {
		return fmt.Errorf("repository %s: the name is empty or used twice", r.FullName())
	}
	n.byName[r.Name] = id
	n.all = append(n.all, id)
	if r.Public {
		n.public = append(n.public, id)
		s.public = append(s.public, id)
	}
	for _, p := range permissions {
		if s.grant(p.Account, id, p.Role) {
			n.direct[p.Account] = append(n.direct[p.Account], id)
			s.direct[p.Account] = append(s.direct[p.Account], id)
		}
	}
	return nil
}

// grant records a direct permission, and reports whether it is the first that the
// account has on the repository.
func (s *Store) grant(account string, id int32, to Role) bool {
	of := s.roles[account]
	if of == nil {
		of = map[int32]Role{}
		s.roles[account] = of
	}
	had := of[id]
	of[id] = max(had, to)
	return had == RoleNone
}

// find returns a repository's position.
func (s *Store) find(namespace, name string) (int32, bool) {
	n := s.namespaces[namespace]
	if n == nil {
		return 0, false
	}
	id, ok := n.byName[name]
	if !ok && s.pushed.some.Load() {
		if made, found := s.pushed.ids.Load(namespace + "/" + name); found {
			return made.(int32), true
		}
	}
	return id, ok
}

// Repository returns a repository, or nil if there is none or it is marked for
// deletion.
func (s *Store) Repository(namespace, name string) *Repository {
	id, ok := s.find(namespace, name)
	if !ok || s.options.Vanished != "" && s.options.Vanished == namespace+"/"+name {
		return nil
	}
	return s.At(id)
}

// At returns the repository at a position. It is short enough to be inlined in
// listings.
func (s *Store) At(id int32) *Repository {
	if !s.pushed.some.Load() {
		return &s.repositories[id]
	}
	return s.current(id)
}

// Visible returns the positions of up to limit repositories from start on, in
// listing order: the public ones if asked for, and those that a user has rights of
// their own on (doc/quay-api.md section 1, "Which repos"). An empty namespace
// means all. The cost does not depend on the number of repositories.
func (s *Store) Visible(namespace, user string, public bool, start int32, limit int) []int32 {
	var lists [][]int32
	n := s.namespaces[namespace]
	switch {
	case namespace == "":
		if public {
			lists = append(lists, s.public)
		}
		for _, n := range s.owned[user] {
			lists = append(lists, n.all)
		}
		lists = append(lists, s.direct[user])
	case n == nil:
	case n.OwnedBy(user):
		lists = append(lists, n.all)
	case public:
		lists = append(lists, n.public, n.direct[user])
	default:
		lists = append(lists, n.direct[user])
	}
	ids := merge(lists, start, limit)
	if user == "" || len(ids) == limit || !s.pushed.some.Load() {
		return ids
	}
	return append(ids, s.created(start, limit-len(ids), func(v *version) bool {
		r := &v.Repository
		return (namespace == "" || namespace == r.Namespace) && (v.maker == user || s.namespaces[r.Namespace].OwnedBy(user))
	})...)
}

// VisibleToRobot returns the positions of up to limit repositories from start on
// that a robot may pull from or has created.
func (s *Store) VisibleToRobot(robot string, start int32, limit int) []int32 {
	ids := merge([][]int32{s.direct[robot]}, start, limit)
	return append(ids, s.created(start, limit-len(ids), func(v *version) bool { return v.maker == robot })...)
}

// merge returns up to limit of the positions in rising lists that are not below
// start, each once.
func merge(lists [][]int32, start int32, limit int) []int32 {
	for i, l := range lists {
		at, _ := slices.BinarySearch(l, start)
		lists[i] = l[at:]
	}
	var ids []int32
	for len(ids) < limit {
		next, found := int32(0), false
		for _, l := range lists {
			if len(l) > 0 && (!found || l[0] < next) {
				next, found = l[0], true
			}
		}
		if !found {
			break
		}
		ids = append(ids, next)
		for i, l := range lists {
			if len(l) > 0 && l[0] == next {
				lists[i] = l[1:]
			}
		}
	}
	return ids
}

// SplitName splits "namespace/name" at the first slash.
func SplitName(s string) (namespace, name string) {
	namespace, name, _ = strings.Cut(s, "/")
	return namespace, name
}
