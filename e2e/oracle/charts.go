package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

type chart struct {
	Name      string         `json:"name"`
	Version   string         `json:"version"`
	Resources map[string]int `json:"resources"`
}

func helm(objects []helmObject) *string {
	namespaces := map[string][]*chart{}
	for _, plural := range []string{"replicasets", "daemonsets", "statefulsets", "services", "deployments"} {
		for _, one := range objects {
			if one.Plural != plural || one.Chart == "" {
				continue
			}
			sum := sha256.Sum256([]byte(one.Namespace))
			key := hex.EncodeToString(sum[:])
			name, version := one.Chart, ""
			if parts := strings.Split(one.Chart, "-"); len(parts) > 1 {
				last := parts[len(parts)-1]
				if strings.Contains(last, ".") || last == "latest" || last == "beta" || last == "alpha" {
					name, version = strings.Join(parts[:len(parts)-1], "-"), last
				}
			}
			var found *chart
			for _, known := range namespaces[key] {
				if known.Name == name && known.Version == version {
					found = known
				}
			}
			if found == nil {
				found = &chart{Name: name, Version: version, Resources: map[string]int{}}
				namespaces[key] = append(namespaces[key], found)
			}
			found.Resources[plural]++
		}
	}
	if len(namespaces) == 0 {
		return nil
	}
	written := text(namespaces)
	return &written
}
