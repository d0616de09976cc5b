// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cursor seals and opens the next_page cursors of listings. A cursor is a
// Fernet token, as on Quay: encrypted, signed and dated.
package cursor

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"
)

// lifetime is how long a cursor is valid (doc/quay-api.md section 1, "Paging").
const lifetime = 48 * time.Hour

// A Cursor is the start of a page. It is bound to no namespace and no caller.
type Cursor struct {
	Start      int64  `json:"start_index"` // number of the page's first repository, from 1
	Page       int64  `json:"page_number"`
	IsDatetime bool   `json:"is_datetime"`
	Offset     *int64 `json:"offset_val"`
}

// A Key seals cursors. Every server has its own key, so a cursor of another server
// cannot be opened.
type Key struct {
	sign    [16]byte
	encrypt [16]byte
}

// NewKey returns a random key.
func NewKey() *Key {
	k := new(Key)
	rand.Read(k.sign[:]) // never fails
	rand.Read(k.encrypt[:])
	return k
}

// Parts of a Fernet token: version, time, initialization vector, cipher text
// of whole blocks, signature.
const (
	fernetVersion = 0x80
	fernetHead    = 1 + 8 + aes.BlockSize
	fernetLeast   = fernetHead + aes.BlockSize + sha256.Size
)

// Seal returns the text of a next_page.
func (k *Key) Seal(c Cursor, now time.Time) string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // a cursor holds only numbers
	}
	pad := aes.BlockSize - len(text)%aes.BlockSize
	for range pad {
		text = append(text, byte(pad))
	}
	token := make([]byte, fernetHead, fernetHead+len(text)+sha256.Size)
	token[0] = fernetVersion
	binary.BigEndian.PutUint64(token[1:], uint64(now.Unix()))
	rand.Read(token[9:fernetHead])
	cipher.NewCBCEncrypter(k.block(), token[9:fernetHead]).CryptBlocks(text, text)
	token = append(token, text...)
	return base64.URLEncoding.EncodeToString(append(token, k.mac(token)...))
}

var errInvalid = errors.New("quaytest: not a cursor of this server, or an expired one")

// Open returns the cursor that a next_page holds. Quay answers page one if Open
// fails, whatever the reason.
func (k *Key) Open(s string, now time.Time) (Cursor, error) {
	token, err := base64.URLEncoding.DecodeString(s)
	if err != nil || len(token) < fernetLeast || token[0] != fernetVersion {
		return Cursor{}, errInvalid
	}
	body, mac := token[:len(token)-sha256.Size], token[len(token)-sha256.Size:]
	text := append([]byte(nil), body[fernetHead:]...)
	if !hmac.Equal(mac, k.mac(body)) || len(text)%aes.BlockSize != 0 {
		return Cursor{}, errInvalid
	}
	made := time.Unix(int64(binary.BigEndian.Uint64(token[1:])), 0)
	if age := now.Sub(made); age > lifetime || age < -time.Minute {
		return Cursor{}, errInvalid
	}
	cipher.NewCBCDecrypter(k.block(), token[9:fernetHead]).CryptBlocks(text, text)
	pad := int(text[len(text)-1])
	if pad == 0 || pad > aes.BlockSize {
		return Cursor{}, errInvalid
	}
	var c Cursor
	if json.Unmarshal(text[:len(text)-pad], &c) != nil {
		return Cursor{}, errInvalid
	}
	return c, nil
}

// block returns the cipher of a token's text.
func (k *Key) block() cipher.Block {
	b, err := aes.NewCipher(k.encrypt[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	return b
}

// mac returns the signature of a token's other parts.
func (k *Key) mac(body []byte) []byte {
	m := hmac.New(sha256.New, k.sign[:])
	m.Write(body)
	return m.Sum(nil)
}
