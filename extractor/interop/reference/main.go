// The program reference-exporter answers as the exporter of OpenShift's insights-runtime-extractor does (commit 70256457), as far
// as that can be told from outside. It is written from the contract, not from that program's text, and on the same standard library,
// so that status lines, headers, escapes and error texts come from where that program has them from. Tests compare our exporter with it.
//
// It reads and removes the directory that the extractor answers, below -root. Of the flags, only -bind is that program's.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	bind := flag.String("bind", "127.0.0.1", "address to answer at")
	port := flag.String("port", "8000", "port to answer at")
	extractor := flag.String("extractor", "127.0.0.1:3000", "address of the extractor")
	root := flag.String("root", "/", "directory that the answers of the extractor are relative to")
	flag.Parse()
	if err := os.Chdir(*root); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/gather_runtime_info", func(w http.ResponseWriter, r *http.Request) {
		gather(w, r, *extractor)
	})
	log.Fatal(http.ListenAndServe(net.JoinHostPort(*bind, *port), nil))
}

func gather(w http.ResponseWriter, r *http.Request, extractor string) {
	var ids []string
	switch r.Method {
	case http.MethodGet:
	case http.MethodPost:
		var problem string
		if ids, problem = wanted(r.Body); problem != "" {
			http.Error(w, `{"error": "`+problem+`"}`, http.StatusBadRequest)
			return
		}
	default:
		http.Error(w, "Method is not supported.", http.StatusNotFound)
		return
	}
	hash := r.URL.Query().Get("hash")
	body, err := answer(extractor, ids, hash == "" || hash == "true")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// wanted is the list in the first JSON value of a body, or what is wrong with it.
func wanted(body io.Reader) (ids []string, problem string) {
	var request struct {
		ContainerIds *[]string `json:"containerIds"`
	}
	if json.NewDecoder(body).Decode(&request) != nil {
		return nil, "Invalid JSON in request body"
	}
	if request.ContainerIds == nil {
		return nil, "containerIds field is required"
	}
	return *request.ContainerIds, ""
}

func answer(extractor string, ids []string, isHashed bool) ([]byte, error) {
	path, err := ask(extractor, strings.Join(ids, ","))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	defer os.RemoveAll(path)
	tree, err := read(path, isHashed)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// ask is the first line that the extractor answers to a text that ends with the sending side of the connection.
func ask(extractor, text string) (string, error) {
	connection, err := net.Dial("tcp", extractor)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	io.WriteString(connection, text)
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	return strings.TrimSpace(line), err
}
