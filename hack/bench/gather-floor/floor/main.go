// The least that a gather could cost: the pages of all pods fetched one after the other and thrown away, then the nodes
// asked, some at a time, and their answers thrown away. Nothing is parsed but the token of the next page.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	server      = flag.String("server", "", "URL of the API server")
	serverCA    = flag.String("server-ca", "", "its CA file")
	serverToken = flag.String("server-token", "", "file with its token")
	pages       = flag.Int("pages", 1<<30, "most pages read")
	questions   = flag.String("questions", "", "file: address and body per line, separated by a tab")
	nodeCA      = flag.String("node-ca", "", "CA file of the nodes")
	nodeToken   = flag.String("node-token", "", "file with their token")
	serverName  = flag.String("server-name", "", "in the nodes' certificate")
	concurrency = flag.Int("concurrency", 50, "nodes asked at a time")
	timeout     = flag.Duration("timeout", 2*time.Minute, "for one node")
)

func main() {
	flag.Parse()
	started := time.Now()
	requests, read := list()
	listed := time.Now()
	asked, answered, failed := ask()
	finished := time.Now()
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"listMs":   milliseconds(listed.Sub(started)),
		"askMs":    milliseconds(finished.Sub(listed)),
		"requests": int64(requests) + asked,
		"listed":   read,
		"answered": answered,
		"failed":   failed,
	}))
}

func milliseconds(duration time.Duration) float64 { return float64(duration.Microseconds()) / 1000 }

func list() (requests int, read int64) {
	client := clientTrusting(*serverCA, "")
	token := content(*serverToken)
	next := ""
	for requests < *pages {
		address := *server + "/api/v1/pods?limit=500"
		if next != "" {
			address += "&continue=" + url.QueryEscape(next)
		}
		body := &tokenReader{}
		count, status, err := exchange(client, "GET", address, token, nil, body)
		check(err)
		if status != http.StatusOK {
			check(fmt.Errorf("a page of pods: status %d", status))
		}
		requests++
		read += count
		if next = body.token(); next == "" {
			break
		}
	}
	return requests, read
}

// The metadata of a list comes before its items; the rest is not looked at.
type tokenReader struct{ head []byte }

func (reader *tokenReader) Write(chunk []byte) (int, error) {
	if room := 16384 - len(reader.head); room > 0 {
		reader.head = append(reader.head, chunk[:min(room, len(chunk))]...)
	}
	return len(chunk), nil
}

func (reader *tokenReader) token() string {
	head, _, _ := bytes.Cut(reader.head, []byte(`"items":`))
	_, after, found := bytes.Cut(head, []byte(`"continue":"`))
	if !found {
		return ""
	}
	token, _, _ := bytes.Cut(after, []byte(`"`))
	return string(token)
}

func ask() (requests, answered, failed int64) {
	client := clientTrusting(*nodeCA, *serverName)
	token := content(*nodeToken)
	lines := make(chan string)
	var bad, size atomic.Int64
	var workers sync.WaitGroup
	for range *concurrency {
		workers.Go(func() {
			for line := range lines {
				address, body, _ := strings.Cut(line, "\t")
				address = "https://" + address + ":8443/gather_runtime_info?detail=true"
				count, status, err := exchange(client, "POST", address, token, strings.NewReader(body), io.Discard)
				size.Add(count)
				if err != nil || status != http.StatusOK {
					bad.Add(1)
				}
			}
		})
	}
	for _, line := range strings.Split(content(*questions), "\n") {
		requests++
		lines <- line
	}
	close(lines)
	workers.Wait()
	return requests, size.Load(), bad.Load()
}

func exchange(client *http.Client, method, address, token string, body io.Reader, to io.Writer) (int64, int, error) {
	request, err := http.NewRequest(method, address, body)
	check(err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Close = method == "POST"
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer response.Body.Close()
	count, err := io.Copy(to, response.Body)
	return count, response.StatusCode, err
}

func clientTrusting(caFile, name string) *http.Client {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(content(caFile))) {
		check(errors.New("no certificate in " + caFile))
	}
	return &http.Client{
		Timeout: *timeout,
		Transport: &http.Transport{
			// Compression would cost the API server more time than the loopback interface saves.
			DisableCompression: true,
			TLSClientConfig:    &tls.Config{RootCAs: roots, ServerName: name},
		},
	}
}

func content(path string) string {
	bytes, err := os.ReadFile(path)
	check(err)
	return strings.TrimSpace(string(bytes))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
