// Built into the API server's package of custom resources, as if it were a file of it.
package customresource

import (
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// nameRule lets an Image be called by its digest, sha256:…, as OpenShift's own server does and no CRD may.
func nameRule(kind schema.GroupVersionKind) validation.ValidateNameFunc {
	if kind.Group == "image.openshift.io" {
		return path.ValidatePathSegmentName
	}
	return validation.NameIsDNSSubdomain
}
