// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

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

// cursorLife is how long a next_page is good for (doc/quay-api.md section 1,
// "Paging").
const cursorLife = 48 * time.Hour

// A cursor says where a page of a listing starts. Clients get it as a Fernet
// token: encrypted, signed, dated, and bound to nothing else.
type cursor struct {
	Start      int64  `json:"start_index"` // number of the page's first repository, from 1
	Page       int64  `json:"page_number"`
	IsDatetime bool   `json:"is_datetime"`
	Offset     *int64 `json:"offset_val"`
}

// cursorKey seals cursors. Every Handler has its own, so that no server can
// read another one's.
type cursorKey struct {
	sign    [16]byte
	encrypt [16]byte
}

func newCursorKey() *cursorKey {
	k := new(cursorKey)
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

// seal makes the text of a next_page.
func (k *cursorKey) seal(c cursor, now time.Time) string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // a cursor is numbers
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

var errCursor = errors.New("quaytest: not a cursor of this server, or a lapsed one")

// open reads a next_page. Whatever is wrong with it, the server takes it for
// none and gives page one.
func (k *cursorKey) open(s string, now time.Time) (cursor, error) {
	token, err := base64.URLEncoding.DecodeString(s)
	if err != nil || len(token) < fernetLeast || token[0] != fernetVersion {
		return cursor{}, errCursor
	}
	body, mac := token[:len(token)-sha256.Size], token[len(token)-sha256.Size:]
	text := append([]byte(nil), body[fernetHead:]...)
	if !hmac.Equal(mac, k.mac(body)) || len(text)%aes.BlockSize != 0 {
		return cursor{}, errCursor
	}
	made := time.Unix(int64(binary.BigEndian.Uint64(token[1:])), 0)
	if age := now.Sub(made); age > cursorLife || age < -time.Minute {
		return cursor{}, errCursor
	}
	cipher.NewCBCDecrypter(k.block(), token[9:fernetHead]).CryptBlocks(text, text)
	pad := int(text[len(text)-1])
	if pad == 0 || pad > aes.BlockSize {
		return cursor{}, errCursor
	}
	var c cursor
	if json.Unmarshal(text[:len(text)-pad], &c) != nil {
		return cursor{}, errCursor
	}
	return c, nil
}

// block gives the cipher of a token's text.
func (k *cursorKey) block() cipher.Block {
	b, err := aes.NewCipher(k.encrypt[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	return b
}

// mac signs a token's other parts.
func (k *cursorKey) mac(body []byte) []byte {
	m := hmac.New(sha256.New, k.sign[:])
	m.Write(body)
	return m.Sum(nil)
}
