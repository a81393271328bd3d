// Program bundle-check says what operator-framework/api's validators find wrong with a bundle's folder, one finding per line; exit code 1
// when there are errors, or warnings that nobody has explained.
package main

import (
	"fmt"
	"os"
	"regexp"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	"github.com/operator-framework/api/pkg/validation/errors"
	"github.com/operator-framework/api/pkg/validation/interfaces"
)

// All that judge a bundle. Left out: PackageManifestValidator (another format), OperatorHubValidator and CommunityOperatorValidator
// (deprecated in favour of those here), MultipleArchitecturesValidator (pulls the images by docker; hack/bundle/lint.ts compares labels).
var validators = []struct {
	name      string
	validator validator.Validator
}{
	{"ClusterServiceVersion", validation.ClusterServiceVersionValidator},
	{"CustomResourceDefinition", validation.CustomResourceDefinitionValidator},
	{"Bundle", validation.BundleValidator},
	{"OperatorHubV2", validation.OperatorHubV2Validator},
	{"StandardCapabilities", validation.StandardCapabilitiesValidator},
	{"StandardCategories", validation.StandardCategoriesValidator},
	{"Object", validation.ObjectValidator},
	{"OperatorGroup", validation.OperatorGroupValidator},
	{"AlphaDeprecatedAPIs", validation.AlphaDeprecatedAPIsValidator},
	{"GoodPractices", validation.GoodPracticesValidator},
}

// Warnings that are right and stay, each with the reason.
var explained = []struct {
	warning *regexp.Regexp
	reason  string
}{
	{
		regexp.MustCompile(`Migrate the API\(s\) for endpointslices: \(\["ClusterServiceVersion\.Spec\.InstallStrategy\.[^,]*"\]\)$`),
		"a rule names no version of its group; that of EndpointSlices has been v1 since 1.21",
	},
}

// The newest Kubernetes that we run on; an API that it has removed is an error.
const kubernetes = "1.34"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: bundle-check BUNDLEDIR")
		os.Exit(2)
	}
	bundle, err := manifests.GetBundleFromDir(os.Args[1])
	if err != nil {
		fmt.Printf("error: loading: %v\n", err)
		os.Exit(1)
	}
	objects := append(bundle.ObjectsToValidate(), map[string]string{"k8s-version": kubernetes})
	failed := false
	for _, one := range validators {
		for _, result := range one.validator.Validate(objects...) {
			for _, finding := range result.Errors {
				failed = true
				fmt.Printf("error: %s: %s\n", one.name, text(finding))
			}
			for _, finding := range result.Warnings {
				if reason, ok := explanation(finding); ok {
					fmt.Printf("explained: %s: %s (%s)\n", one.name, text(finding), reason)
					continue
				}
				failed = true
				fmt.Printf("warning: %s: %s\n", one.name, text(finding))
			}
		}
	}
	if failed {
		os.Exit(1)
	}
}

func text(finding errors.Error) string {
	if finding.Field != "" {
		return finding.Field + ": " + finding.Detail
	}
	return finding.Detail
}

func explanation(finding errors.Error) (string, bool) {
	for _, one := range explained {
		if one.warning.MatchString(text(finding)) {
			return one.reason, true
		}
	}
	return "", false
}
