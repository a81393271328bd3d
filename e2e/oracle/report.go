package main

import (
	"fmt"
	"net/http"
	"sort"
)

// A container as a node is asked about it.
type place struct{ namespace, pod, reference string }

var addresses = map[string]string{"node-1": "127.0.0.1", "node-2": "127.0.0.2", "node-3": "127.0.0.3"}

// What nodes did wrong, sorted; equal sentences of several nodes are one with their number.
func nodeErrors(c Case, asked map[string]map[place]bool) []string {
	nodes := map[string]int{}
	for node, expected := range asked {
		if status := c.Statuses[node]; status != 0 {
			url := fmt.Sprintf("https://%s:8443/gather_runtime_info", addresses[node])
			nodes[fmt.Sprintf("received unexpected status code %d %s from %s", status, http.StatusText(status), url)]++
			continue
		}
		unasked := 0
		for namespace, pods := range c.Answers[node] {
			for pod, references := range pods {
				for reference := range references {
					if !expected[place{namespace, pod, reference}] {
						unasked++
					}
				}
			}
		}
		containers := "containers that were"
		if unasked == 1 {
			containers = "container that was"
		}
		if unasked > 0 {
			nodes[fmt.Sprintf("the answer speaks of %d %s not asked for; ignored", unasked, containers)]++
		}
	}
	var errors []string
	for sentence, count := range nodes {
		if count > 1 {
			sentence = fmt.Sprintf("%s (%d nodes)", sentence, count)
		}
		errors = append(errors, sentence)
	}
	sort.Strings(errors)
	return errors
}

type report struct {
	Name     string   `json:"name"`
	Duration int64    `json:"duration_in_ms"`
	Records  int      `json:"records_count"`
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
	Panic    any      `json:"panic"`
}

// The report of a gather that took no time, by a process that has run for a minute.
func reportOf(errors []string, charts bool) string {
	helm := report{Name: "workloads/helmchart_info"}
	if charts {
		helm.Records = 1
	}
	summary := report{Name: "workloads", Records: helm.Records + 1}
	for range errors {
		summary.Errors = append(summary.Errors, `function "workload_info" failed with an error`)
	}
	return text(struct {
		Reports  []report `json:"status_reports"`
		Memory   uint64   `json:"container_memory_bytes_usage"`
		Uptime   float64  `json:"uptime_seconds"`
		IsHidden bool     `json:"is_global_obfuscation_enabled"`
	}{Reports: []report{summary, helm, {Name: "workloads/workload_info", Records: 1, Errors: errors}}, Uptime: 60})
}
