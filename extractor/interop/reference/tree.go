package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
)

// Tree has a container by namespace, pod and container ID.
type Tree map[string]map[string]map[string]Container

// Container is what is answered about one; the order of the fields is that of the answer.
type Container struct {
	Os              string    `json:"os,omitempty"`
	OsVersion       string    `json:"osVersion,omitempty"`
	Kind            string    `json:"kind,omitempty"`
	KindVersion     string    `json:"kindVersion,omitempty"`
	KindImplementer string    `json:"kindImplementer,omitempty"`
	Runtimes        []Runtime `json:"runtimes,omitempty"`
}

// Runtime is a framework.
type Runtime struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

// read is the answer that an output directory holds: a container for each directory in it that says whose it is.
func read(path string, isHashed bool) (Tree, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	shown := func(value string) string { return value }
	if isHashed {
		shown = hash
	}
	tree := Tree{}
	for _, entry := range entries {
		folder := filepath.Join(path, entry.Name())
		info, isThere := properties(filepath.Join(folder, "container-info.txt"))
		if !entry.IsDir() || !isThere {
			continue
		}
		namespace, pod := info["pod-namespace"], info["pod-name"]
		if tree[namespace] == nil {
			tree[namespace] = map[string]map[string]Container{}
		}
		if tree[namespace][pod] == nil {
			tree[namespace][pod] = map[string]Container{}
		}
		tree[namespace][pod][info["container-id"]] = container(folder, shown)
	}
	return tree, nil
}

func container(folder string, shown func(string) string) Container {
	system, _ := properties(filepath.Join(folder, "os.txt"))
	kind, _ := properties(filepath.Join(folder, "runtime-kind.txt"))
	container := Container{
		Os:              shown(system["os-release-id"]),
		OsVersion:       shown(system["os-release-version-id"]),
		Kind:            shown(kind["runtime-kind"]),
		KindVersion:     shown(kind["runtime-kind-version"]),
		KindImplementer: shown(kind["runtime-kind-implementer"]),
	}
	files, _ := os.ReadDir(folder)
	for _, file := range files {
		if file.IsDir() || !strings.HasSuffix(file.Name(), "-fingerprints.txt") {
			continue
		}
		runtimes, _ := properties(filepath.Join(folder, file.Name()))
		// In no order, as there.
		for name, version := range runtimes {
			container.Runtimes = append(container.Runtimes, Runtime{shown(name), shown(version)})
		}
	}
	return container
}

// properties are the pairs of a file; none when it cannot be read or a line does not fit the scanner's 64 KiB.
func properties(path string) (pairs map[string]string, isThere bool) {
	file, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	defer file.Close()
	pairs = map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		key, value, isPair := strings.Cut(line, "=")
		if isPair && !strings.HasPrefix(line, "#") {
			pairs[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	if lines.Err() != nil {
		return nil, false
	}
	return pairs, true
}

// hash is what stands for a value where values are hidden.
func hash(value string) string {
	if value == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(value))
	return base64.URLEncoding.EncodeToString(sum[:])[:12]
}
