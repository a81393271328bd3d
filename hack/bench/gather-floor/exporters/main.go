// The exporters of a whole cluster in one program, for the gather's benchmark: each node listens on a loopback address of
// its own, over TLS, and answers with what is known of the containers it is asked about.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// What a broken node does instead of answering.
const (
	healthy = iota
	refused
	serverError
	wrongBody
	slow
)

type container struct{ namespace, pod, name string }

var (
	cert       = flag.String("cert", "", "certificate file")
	key        = flag.String("key", "", "key file")
	nodes      = flag.String("nodes", "", "file: address per line")
	containers = flag.String("containers", "", "file: id, namespace, pod, container per line, separated by tabs")
	broken     = flag.Bool("broken", false, "one node in 100 is slow or broken")
	delay      = flag.Duration("delay", 0, "after which a slow node answers")
)

func main() {
	flag.Parse()
	known := readContainers()
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	check(err)
	var requests, bytes atomic.Int64
	addresses := lines(*nodes)
	for index, address := range addresses {
		kind := healthy
		if *broken && index%100 == 50 {
			kind = refused + (index/100)%4
		}
		if kind == refused {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(address, "8443"))
		check(err)
		server := &http.Server{
			Handler:  handler(kind, known, &requests, &bytes),
			ErrorLog: log.New(io.Discard, "", 0),
			// The real exporter's proxy speaks HTTP/2 too; nobody asks twice over one connection.
			TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
			TLSConfig:    &tls.Config{Certificates: []tls.Certificate{pair}},
		}
		go func() { check(server.ServeTLS(listener, "", "")) }()
	}
	fmt.Println("ready")
	// A line on standard input: counters since the last one; the end of input: end.
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		fmt.Printf("{\"requests\":%d,\"bytes\":%d}\n", requests.Swap(0), bytes.Swap(0))
	}
}

func handler(kind int, known map[string]container, requests, bytes *atomic.Int64) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		requests.Add(1)
		var question struct{ ContainerIds []string }
		if request.Method != "POST" || request.URL.Path != "/gather_runtime_info" || len(request.Header.Get("Authorization")) < 100 {
			response.WriteHeader(http.StatusUnauthorized)
			return
		}
		if json.NewDecoder(request.Body).Decode(&question) != nil || len(question.ContainerIds) == 0 {
			response.WriteHeader(http.StatusBadRequest)
			return
		}
		answer := answerFor(question.ContainerIds, known)
		switch kind {
		case serverError:
			http.Error(response, "runtime info is not available", http.StatusInternalServerError)
			return
		case wrongBody:
			answer = answer[:len(answer)/2]
		case slow:
			select {
			case <-time.After(*delay):
			case <-request.Context().Done():
				return
			}
		}
		response.Header().Set("Content-Type", "application/json")
		written, _ := io.WriteString(response, answer)
		bytes.Add(int64(written))
	}
}

// Namespaces, pods and containers in the order of the question, which groups them.
func answerFor(ids []string, known map[string]container) string {
	var text strings.Builder
	var last container
	for _, id := range ids {
		one, ok := known[id]
		if !ok {
			continue
		}
		switch {
		case last.namespace == "":
			fmt.Fprintf(&text, `{%q:{%q:{`, one.namespace, one.pod)
		case last.namespace != one.namespace:
			fmt.Fprintf(&text, `}},%q:{%q:{`, one.namespace, one.pod)
		case last.pod != one.pod:
			fmt.Fprintf(&text, `},%q:{`, one.pod)
		default:
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `%q:%s`, id, strings.Replace(entry, "CONTAINER", one.name, 1))
		last = one
	}
	if last.namespace == "" {
		return "{}"
	}
	text.WriteString("}}}")
	return text.String()
}

// What our exporter says of a container with Quarkus, with detail.
const entry = `{"os":"kWwk9uqzXv2P","osVersion":"mLz6mLhzcyQx","kind":"vKHJHE6LBWOk","kindVersion":"pJ0DTU7yk3bS","kindImplementer":"vjmbCWUK6cmB",` +
	`"runtimes":[{"name":"oZxv0WgXo4kR","version":"Vp0r8kSyRNBi"}],` +
	`"detail":{"containerName":"CONTAINER",` +
	`"runtimeInfo":{"os":"rhel","osVersion":"9.4","kind":"Java","kindVersion":"17.0.13","kindImplementer":"Red Hat, Inc.","runtimes":[{"name":"Quarkus","version":"3.8.1"}]},` +
	`"osEvidence":"/etc/os-release",` +
	`"processes":[{"pid":48213,"role":"main","kind":"Java","version":"17.0.13","implementer":"Red Hat, Inc.",` +
	`"evidence":"mapped /usr/lib/jvm/java-17-openjdk-17.0.13.0.11-4.el9.x86_64/lib/server/libjvm.so",` +
	`"versionEvidence":"/usr/lib/jvm/java-17-openjdk-17.0.13.0.11-4.el9.x86_64/release",` +
	`"runtimes":[{"name":"Quarkus","version":"3.8.1","evidence":"/deployments/lib/main/io.quarkus.quarkus-core-3.8.1.jar"}]},` +
	`{"pid":48190,"role":"init","kind":"","version":"","implementer":"","evidence":"/usr/bin/catatonit","versionEvidence":"","runtimes":[]}],` +
	`"notes":[]}}`

func readContainers() map[string]container {
	known := map[string]container{}
	for _, line := range lines(*containers) {
		fields := strings.Split(line, "\t")
		known[fields[0]] = container{fields[1], fields[2], fields[3]}
	}
	return known
}

func lines(path string) []string {
	content, err := os.ReadFile(path)
	check(err)
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
