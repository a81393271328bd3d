package main

import (
	"regexp"
	"strings"
)

// The reference as the existing gatherer reads it: in stages, with a separator that may be empty, which Go's regular expressions bear.
var (
	generalReference = regexp.MustCompile(`^(.*?)(?::([\w][\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`)
	generalName      = regexp.MustCompile(`^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?/)?` +
		`[a-z0-9]+(?:(?:[._]|__|[-]*)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|[-]*)[a-z0-9]+)*)*$`)
	digits = map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}
)

func stagedDigest(text string) string {
	found := generalReference.FindStringSubmatch(text)
	if found == nil || found[3] == "" || len(found[1]) > 255 || !generalName.MatchString(found[1]) {
		return ""
	}
	algorithm, hex, _ := strings.Cut(found[3], ":")
	if digits[algorithm] != len(hex) {
		return ""
	}
	return found[3]
}

type textFacts struct {
	Argument string `json:"argument"`
	Hash     string `json:"hash"`
	Digest   string `json:"digest"`
	JSON     string `json:"json"`
}

func describeText(one string) textFacts {
	return textFacts{Argument: normalize(one), Hash: hash(one), Digest: stagedDigest(one), JSON: text(one)}
}
