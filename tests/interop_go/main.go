// Command interop verifies with golang.org/x/mod/sumdb what docvault wrote, and writes what docvault
// verifies.
//
//	interop verify FOLDER     reads what the Rust side wrote
//	interop write FOLDER      writes for the Rust side
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "example.com/go"

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func read(folder, name string) string {
	data, err := os.ReadFile(filepath.Join(folder, name))
	must(err)
	return string(data)
}

// A checkpoint's text: origin, size, root.
func checkpoint(text string) (int64, tlog.Hash) {
	lines := strings.Split(text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return size, root
}

func hashes(lines []string) []tlog.Hash {
	var all []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		must(err)
		all = append(all, hash)
	}
	return all
}

func open(text, vkey string) (int64, tlog.Hash) {
	verifier, err := note.NewVerifier(vkey)
	must(err)
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	must(err)
	return checkpoint(opened.Text)
}

// A receipt: the leaf is the 280 bytes behind the first 8 of the extra data.
func verifyReceipt(text, vkey string) {
	head, signed, _ := strings.Cut(text, "\n\n")
	size, root := open(signed, vkey)
	lines := strings.Split(head, "\n")
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	must(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	must(err)
	leaf := tlog.RecordHash(extra[8:288])
	must(tlog.CheckRecord(tlog.RecordProof(hashes(lines[3:])), size, root, index, leaf))
}

// A request to a witness; the old root stands in a file beside it.
func verifyRequest(text, oldRoot, vkey string) {
	head, signed, _ := strings.Cut(text, "\n\n")
	size, root := open(signed, vkey)
	lines := strings.Split(head, "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	must(err)
	oldHash, err := tlog.ParseHash(strings.TrimSpace(oldRoot))
	must(err)
	must(tlog.CheckTree(tlog.TreeProof(hashes(lines[1:])), size, root, old, oldHash))
}

func verify(folder string) {
	vkey := strings.TrimSpace(read(folder, "vkey"))
	count := 0
	for ; ; count++ {
		name := fmt.Sprintf("receipt-%d", count)
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			break
		}
		verifyReceipt(read(folder, name), vkey)
	}
	requests := 0
	for ; ; requests++ {
		name := fmt.Sprintf("request-%d", requests)
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			break
		}
		verifyRequest(read(folder, name), read(folder, name+".old"), vkey)
	}
	if count == 0 || requests == 0 {
		must(fmt.Errorf("nothing to verify in %s", folder))
	}
	fmt.Printf("Go verified %d receipts and %d consistency proofs\n", count, requests)
}

type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, index := range indexes {
		all = append(all, s[index])
	}
	return all, nil
}

// Receipts around Rust's own leaf, "leaf" in the folder, at each index; requests from each size to
// the next.
func write(folder string) {
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	must(err)
	signer, err := note.NewSigner(skey)
	must(err)
	must(os.WriteFile(filepath.Join(folder, "vkey"), []byte(vkey+"\n"), 0o644))
	leaf := []byte(read(folder, "leaf"))
	var hashes stored
	var old int64
	requests := 0
	for n := int64(0); n < 70; n++ {
		record := append([]byte{}, leaf...)
		for i := 0; i < 8; i++ { // the record's own number stands at byte 16
			record[16+i] = byte(uint64(n) >> (56 - 8*i))
		}
		more, err := tlog.StoredHashes(n, record, hashes)
		must(err)
		hashes = append(hashes, more...)
		size := n + 1
		root, err := tlog.TreeHash(size, hashes)
		must(err)
		text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		must(err)

		proof, err := tlog.ProveRecord(size, n/2, hashes)
		must(err)
		extra := append([]byte("dvrc\x01\x01\x00\x00"), leaf...)
		for i := 0; i < 8; i++ {
			extra[8+16+i] = byte(uint64(n/2) >> (56 - 8*i))
		}
		extra = append(extra, 0, 0)
		var receipt bytes.Buffer
		fmt.Fprintf(&receipt, "c2sp.org/tlog-proof@v1\nextra %s\nindex %d\n", base64.StdEncoding.EncodeToString(extra), n/2)
		for _, hash := range proof {
			fmt.Fprintln(&receipt, hash)
		}
		fmt.Fprintf(&receipt, "\n%s", signed)
		must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("receipt-%d", n)), receipt.Bytes(), 0o644))

		if n%3 == 0 {
			var request bytes.Buffer
			fmt.Fprintf(&request, "old %d\n", old)
			if old > 0 {
				tree, err := tlog.ProveTree(size, old, hashes)
				must(err)
				for _, hash := range tree {
					fmt.Fprintln(&request, hash)
				}
			}
			fmt.Fprintf(&request, "\n%s", signed)
			must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("request-%d", requests)), request.Bytes(), 0o644))
			requests++
			old = size
		}
	}
}

func main() {
	if len(os.Args) != 3 {
		must(fmt.Errorf("usage: interop verify|write FOLDER"))
	}
	switch os.Args[1] {
	case "verify":
		verify(os.Args[2])
	case "write":
		write(os.Args[2])
	default:
		must(fmt.Errorf("unknown command %s", os.Args[1]))
	}
}
