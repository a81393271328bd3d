// The oracle says which bytes an archive must have. It follows the written rules of the archive with Go's own JSON, regular
// expressions and white space, and shares no line with the gatherer. Standard input: one case per line; output: one result per line. With argument `texts`: one JSON
// string per line, and what the rules make of each.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
)

// Case is what the cluster holds: pods in list order, what each node's exporter answers, images, and what Helm made.
type Case struct {
	Statuses map[string]int          `json:"statuses"`
	PodLimit int                     `json:"podLimit"`
	Pods     []Pod                   `json:"pods"`
	Answers  map[string]answer       `json:"answers"`
	Images   map[string]clusterImage `json:"images"`
	Helm     []helmObject            `json:"helm"`
}

type Pod struct {
	Metadata struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		NodeName       string `json:"nodeName"`
		RestartPolicy  string `json:"restartPolicy"`
		InitContainers []spec `json:"initContainers"`
		Containers     []spec `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase                 string   `json:"phase"`
		InitContainerStatuses []status `json:"initContainerStatuses"`
		ContainerStatuses     []status `json:"containerStatuses"`
	} `json:"status"`
}

type spec struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
}

type status struct {
	Name        string `json:"name"`
	ImageID     string `json:"imageID"`
	ContainerID string `json:"containerID"`
	State       struct {
		Terminated *struct{} `json:"terminated"`
	} `json:"state"`
}

type clusterImage struct {
	Reference string `json:"dockerImageReference"`
	Layers    []struct {
		Name string `json:"name"`
	} `json:"dockerImageLayers"`
	Metadata json.RawMessage `json:"dockerImageMetadata"`
}

type helmObject struct {
	Plural    string `json:"plural"`
	Namespace string `json:"namespace"`
	Chart     string `json:"chart"`
}

type answer map[string]map[string]map[string]runtimeInfo

type runtimeInfo struct {
	OS              string      `json:"os,omitempty"`
	OSVersion       string      `json:"osVersion,omitempty"`
	Kind            string      `json:"kind,omitempty"`
	KindVersion     string      `json:"kindVersion,omitempty"`
	KindImplementer string      `json:"kindImplementer,omitempty"`
	Runtimes        []component `json:"runtimes,omitempty"`
}

type component struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

type workload struct {
	Pods       int                   `json:"pods"`
	ImageCount int                   `json:"imageCount"`
	Images     map[string]imageInfo  `json:"images,omitempty"`
	Namespaces map[string]*namespace `json:"namespaces"`
}

type imageInfo struct {
	LayerIDs     []string `json:"layerIDs"`
	FirstCommand string   `json:"firstCommand,omitempty"`
	FirstArg     string   `json:"firstArg,omitempty"`
	Repository   string   `json:"repository,omitempty"`
}

type namespace struct {
	Count         int      `json:"count"`
	TerminalCount int      `json:"terminalCount,omitempty"`
	IgnoredCount  int      `json:"ignoredCount,omitempty"`
	InvalidCount  int      `json:"invalidCount,omitempty"`
	Shapes        []*shape `json:"shapes"`
}

type shape struct {
	Duplicates     int         `json:"duplicates,omitempty"`
	RestartAlways  bool        `json:"restartAlways"`
	InitContainers []container `json:"initContainers,omitempty"`
	Containers     []container `json:"containers"`
}

type container struct {
	ImageID      string       `json:"imageID"`
	FirstCommand string       `json:"firstCommand,omitempty"`
	FirstArg     string       `json:"firstArg,omitempty"`
	RuntimeInfo  *runtimeInfo `json:"runtimeInfo,omitempty"`
	reference    string
}

type result struct {
	Workload string  `json:"workload"`
	Helm     *string `json:"helm"`
	Report   string  `json:"report"`
}

var reference = regexp.MustCompile(`^((?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?/)?` +
	`([a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)` +
	`(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@(sha256:[0-9a-fA-F]{64}|sha384:[0-9a-fA-F]{96}|sha512:[0-9a-fA-F]{128})$`)

func digestOf(text string) string {
	found := reference.FindStringSubmatch(text)
	if found == nil || len(found[1])+len(found[2]) > 255 {
		return ""
	}
	return found[3]
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:12]
}

func normalize(text string) string {
	text = strings.TrimSpace(text)
	text, _, _ = strings.Cut(text, " ")
	if strings.HasPrefix(text, "-") {
		name, _, has := strings.Cut(text, "=")
		if !has {
			return ""
		}
		text = name
	}
	text = strings.Trim(text, `/\`)
	if cut := strings.LastIndexByte(text, '/'); cut != -1 {
		return text[cut+1:]
	}
	return text[strings.LastIndexByte(text, '\\')+1:]
}

func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return hash(normalize(texts[0]))
}

func containersOf(specs []spec, statuses []status) ([]container, bool) {
	var all []container
	for i, one := range statuses {
		at := -1
		if i < len(specs) && specs[i].Name == one.Name {
			at = i
		}
		for j := 0; at == -1 && j < len(specs); j++ {
			if specs[j].Name == one.Name {
				at = j
			}
		}
		if at == -1 {
			return nil, false
		}
		id := digestOf(strings.TrimPrefix(one.ImageID, "docker-pullable://"))
		if id == "" {
			id = digestOf(specs[at].Image)
		}
		if id == "" {
			return nil, false
		}
		reference := ""
		if one.State.Terminated == nil {
			reference = one.ContainerID
		}
		all = append(all, container{ImageID: id, FirstCommand: first(specs[at].Command), FirstArg: first(specs[at].Args), reference: reference})
	}
	return all, true
}

func same(a, b []container) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ImageID != b[i].ImageID || a[i].FirstCommand != b[i].FirstCommand || a[i].FirstArg != b[i].FirstArg {
			return false
		}
	}
	return true
}

func gather(c Case) result {
	out := workload{}
	limit := false
	images := map[string]bool{}
	open := map[string]*namespace{}
	asked := map[string]map[place]bool{}
	for _, pod := range c.Pods {
		entry := open[pod.Metadata.Namespace]
		if entry == nil {
			entry = &namespace{Shapes: []*shape{}}
			open[pod.Metadata.Namespace] = entry
			if out.Namespaces == nil {
				out.Namespaces = map[string]*namespace{}
			}
			out.Namespaces[hash(pod.Metadata.Namespace)] = entry
		}
		if out.Pods >= c.PodLimit {
			limit = true
			break
		}
		out.Pods++
		entry.Count++
		phase := pod.Status.Phase
		if phase == "Succeeded" || phase == "Failed" {
			entry.TerminalCount++
			continue
		}
		if phase != "Running" && phase != "Pending" ||
			len(pod.Status.InitContainerStatuses) != len(pod.Spec.InitContainers) ||
			len(pod.Status.ContainerStatuses) != len(pod.Spec.Containers) {
			entry.IgnoredCount++
			continue
		}
		inits, ok := containersOf(pod.Spec.InitContainers, pod.Status.InitContainerStatuses)
		regular, alsoOk := containersOf(pod.Spec.Containers, pod.Status.ContainerStatuses)
		if !ok || !alsoOk {
			entry.InvalidCount++
			continue
		}
		known := false
		for _, one := range entry.Shapes {
			if same(one.InitContainers, inits) && same(one.Containers, regular) {
				one.Duplicates++
				known = true
				break
			}
		}
		if known {
			continue
		}
		for i := range regular {
			images[regular[i].ImageID] = true
			reference := regular[i].reference
			if phase != "Running" || reference == "" {
				continue
			}
			node := pod.Spec.NodeName
			if asked[node] == nil {
				asked[node] = map[place]bool{}
			}
			asked[node][place{pod.Metadata.Namespace, pod.Metadata.Name, reference}] = true
			info, has := c.Answers[node][pod.Metadata.Namespace][pod.Metadata.Name][reference]
			if has && c.Statuses[node] == 0 && !reflect.DeepEqual(info, runtimeInfo{}) {
				regular[i].RuntimeInfo = &info
			}
		}
		for i := range inits {
			images[inits[i].ImageID] = true
		}
		if regular == nil {
			regular = []container{}
		}
		entry.Shapes = append(entry.Shapes, &shape{RestartAlways: pod.Spec.RestartPolicy == "Always", InitContainers: inits, Containers: regular})
	}
	out.ImageCount = len(images)
	out.Images = map[string]imageInfo{}
	for id := range images {
		if image, has := c.Images[id]; has && len(image.Layers) > 0 {
			out.Images[id] = describe(image)
		}
	}
	errors := nodeErrors(c, asked)
	if limit {
		errors = append(errors, fmt.Sprintf("the %d limit for number of pods gathered was reached", c.PodLimit))
	}
	charts := helm(c.Helm)
	return result{Workload: text(out), Helm: charts, Report: reportOf(errors, charts != nil)}
}

func describe(image clusterImage) imageInfo {
	info := imageInfo{}
	for _, layer := range image.Layers {
		info.LayerIDs = append(info.LayerIDs, layer.Name)
	}
	if image.Reference != "" && !strings.Contains(image.Reference, "redhat") {
		info.Repository = hash(image.Reference)
	}
	var metadata struct {
		ContainerConfig struct{ Entrypoint, Cmd []string }
	}
	if json.Unmarshal(image.Metadata, &metadata) == nil {
		info.FirstCommand = first(metadata.ContainerConfig.Entrypoint)
		info.FirstArg = first(metadata.ContainerConfig.Cmd)
	}
	return info
}

func text(value any) string {
	bytes, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(bytes)
}

func main() {
	answer := func(line []byte) (any, error) {
		var c Case
		err := json.Unmarshal(line, &c)
		return gather(c), err
	}
	if len(os.Args) > 1 && os.Args[1] == "texts" {
		answer = func(line []byte) (any, error) {
			var one string
			err := json.Unmarshal(line, &one)
			return describeText(one), err
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		said, err := answer(lines.Bytes())
		if err != nil {
			fmt.Fprintln(os.Stderr, "oracle: reading a line:", err)
			os.Exit(1)
		}
		fmt.Println(text(said))
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "oracle: reading lines:", err)
		os.Exit(1)
	}
}
