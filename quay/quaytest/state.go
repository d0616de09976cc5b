// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State of a repository that is about to go: no route shows it any more
// (doc/quay-api.md section 1, field state).
const markedForDeletion = "MARKED_FOR_DELETION"

// state holds the indexes over a Dataset, so that no request walks all of
// it, and what clients pushed beside it. All but the latter never changes after
// newState; all of it is safe for concurrent use.
//
// A repository is known by its position in the dataset, which is its place
// in every listing. Lists of positions are in rising order.
type state struct {
	data       *Dataset
	users      map[string]*User
	tokens     map[string]*Token // by its text
	callers    map[string]caller // whom a good token acts for
	robots     map[string]*Robot
	namespaces map[string]*namespace
	owned      map[string][]*namespace   // by user
	public     []int32                   // of the whole registry
	roles      map[string]map[int32]role // direct permissions by user or robot
	direct     map[string][]int32        // the same by user, as a list
	tags       map[tagSet]*tagIndex
	manifests  map[content]*Manifest       // by "namespace/name" and digest
	blobs      map[content]*Blob           // likewise
	indexes    map[*Manifest]indexChildren // what an index names
	pushed     *pushes
}

// A namespace is an organization or a user, with its repositories.
type namespace struct {
	name     string
	kind     string // "organization" or "user"
	enabled  bool
	owners   []string // who see all of it
	creators []string // who may make repositories
	byName   map[string]int32
	all      []int32
	public   []int32
	direct   map[string][]int32 // by user: those with a permission of his own
}

// content names a manifest or blob: a digest means something only within a
// repository.
type content struct{ repository, digest string }

// newState indexes a dataset, and refuses one that contradicts itself.
func newState(d *Dataset) (*state, error) {
	s := &state{
		data:       d,
		users:      make(map[string]*User, len(d.Users)),
		tokens:     make(map[string]*Token, len(d.Tokens)),
		callers:    make(map[string]caller, len(d.Tokens)),
		robots:     make(map[string]*Robot, len(d.Robots)),
		namespaces: make(map[string]*namespace, len(d.Users)+len(d.Organizations)),
		owned:      map[string][]*namespace{},
		roles:      map[string]map[int32]role{},
		direct:     map[string][]int32{},
		tags:       map[tagSet]*tagIndex{},
		manifests:  make(map[content]*Manifest, len(d.Manifests)),
		blobs:      make(map[content]*Blob, len(d.Blobs)),
		indexes:    map[*Manifest]indexChildren{},
		pushed:     &pushes{limit: defaultPushLimit},
	}
	for i := range d.Robots {
		s.robots[d.Robots[i].Name] = &d.Robots[i]
	}
	if err := s.addNamespaces(); err != nil {
		return nil, err
	}
	s.addTokens()
	if err := s.addRepositories(); err != nil {
		return nil, err
	}
	for i := range d.Manifests {
		m := &d.Manifests[i]
		s.manifests[content{m.Repository, m.Digest}] = m
	}
	for i := range d.Blobs {
		b := &d.Blobs[i]
		s.blobs[content{b.Repository, b.Digest}] = b
	}
	s.addIndexes()
	return s, nil
}

// addNamespaces adds users and organizations, which share one set of names.
func (s *state) addNamespaces() error {
	add := func(n *namespace) error {
		if n.name == "" || s.namespaces[n.name] != nil {
			return fmt.Errorf("quaytest: dataset: namespace %q is empty or there twice", n.name)
		}
		n.byName, n.direct = map[string]int32{}, map[string][]int32{}
		s.namespaces[n.name] = n
		for _, owner := range n.owners {
			if s.users[owner] == nil {
				return fmt.Errorf("quaytest: dataset: owner %q of %s is not among the users", owner, n.name)
			}
			s.owned[owner] = append(s.owned[owner], n)
		}
		return nil
	}
	for i := range s.data.Users {
		u := &s.data.Users[i]
		s.users[u.Name] = u
		if err := add(&namespace{name: u.Name, kind: "user", enabled: u.Enabled, owners: []string{u.Name}}); err != nil {
			return err
		}
	}
	for i := range s.data.Organizations {
		o := &s.data.Organizations[i]
		if err := add(&namespace{name: o.Name, kind: "organization", enabled: o.Enabled, owners: o.Owners, creators: o.Creators}); err != nil {
			return err
		}
	}
	return nil
}

// addRepositories adds the repositories, in order, with the direct permissions
// on them.
func (s *state) addRepositories() error {
	for i := range s.data.Repositories {
		r := &s.data.Repositories[i]
		n := s.namespaces[r.Namespace]
		if n == nil {
			return fmt.Errorf("quaytest: dataset: repository %s/%s: no such namespace", r.Namespace, r.Name)
		}
		if r.State == markedForDeletion {
			continue
		}
		if _, twice := n.byName[r.Name]; twice || r.Name == "" {
			return fmt.Errorf("quaytest: dataset: repository %s/%s has no name or is there twice", r.Namespace, r.Name)
		}
		id := int32(i)
		n.byName[r.Name] = id
		n.all = append(n.all, id)
		if r.Public {
			n.public = append(n.public, id)
			s.public = append(s.public, id)
		}
		for _, p := range r.Permissions {
			if s.grant(p.User, id, roleOf(p.Role)) {
				n.direct[p.User] = append(n.direct[p.User], id)
				s.direct[p.User] = append(s.direct[p.User], id)
			}
		}
		s.addTags(r.Tags)
	}
	for _, b := range s.data.Robots {
		for _, name := range b.Reads {
			if id, ok := s.find(splitRepository(name)); ok && s.grant(b.Name, id, roleRead) {
				s.direct[b.Name] = append(s.direct[b.Name], id)
			}
		}
		slices.Sort(s.direct[b.Name])
	}
	return nil
}

// grant notes a direct permission, and tells whether it is the first that
// the account has on the repository.
func (s *state) grant(account string, id int32, to role) bool {
	of := s.roles[account]
	if of == nil {
		of = map[int32]role{}
		s.roles[account] = of
	}
	had := of[id]
	of[id] = max(had, to)
	return had == roleNone
}

// find gives a repository's position.
func (s *state) find(namespace, name string) (int32, bool) {
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

// repo gives a repository, or nil: there is none, or it is marked for
// deletion and so as good as gone.
func (s *state) repo(namespace, name string) *Repository {
	id, ok := s.find(namespace, name)
	if !ok {
		return nil
	}
	return s.at(id)
}

// namespace tells whether a namespace exists, whether it is an
// "organization" or a "user", and whether it is enabled.
func (s *state) namespace(name string) (kind string, enabled, ok bool) {
	n := s.namespaces[name]
	if n == nil {
		return "", false, false
	}
	return n.kind, n.enabled, true
}

// activeTag gives the live tag of a name.
func (s *state) activeTag(r *Repository, name string, now time.Time) (*Tag, bool) {
	for _, t := range s.tagIndex(r).named(name) {
		if t.Name == name && t.aliveAt(now) {
			return t, true
		}
	}
	return nil, false
}

// manifest gives a manifest of a repository ("namespace/name"), or nil.
func (s *state) manifest(repository, digest string) *Manifest {
	key := content{repository, digest}
	if m := s.manifests[key]; m != nil {
		return m
	}
	if p := s.pushed.manifest(key); p != nil {
		return &p.Manifest
	}
	return nil
}

// blob gives a blob that the dataset has in a repository ("namespace/name"), or
// nil.
func (s *state) blob(repository, digest string) *Blob {
	return s.blobs[content{repository, digest}]
}

// visible gives the positions of up to limit repositories from start on, in
// listing order: the public ones when asked for, and those an account has
// rights of its own on (doc/quay-api.md section 1, "Which repos"). An empty
// namespace is all of them. Its cost does not depend on how many there are.
func (s *state) visible(in, user string, public bool, start int32, limit int) []int32 {
	var lists [][]int32
	n := s.namespaces[in]
	switch {
	case in == "":
		if public {
			lists = append(lists, s.public)
		}
		for _, n := range s.owned[user] {
			lists = append(lists, n.all)
		}
		lists = append(lists, s.direct[user])
	case n == nil:
	case n.ownedBy(user):
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
	return append(ids, s.visibleMade(start, limit-len(ids), func(v *version) bool {
		r := &v.repository
		return (in == "" || in == r.Namespace) && (v.maker == user || s.namespaces[r.Namespace].ownedBy(user))
	})...)
}

// merge gives up to limit of the positions in rising lists that are not
// below start, each once.
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

// splitRepository parts "namespace/name" at its first slash.
func splitRepository(s string) (namespace, name string) {
	namespace, name, _ = strings.Cut(s, "/")
	return namespace, name
}
