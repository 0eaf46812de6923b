package render

import (
	"encoding/base64"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Kubeconfig renders the admin's kubeconfig with the VIP as its server, from PEM.
func Kubeconfig(s topology.Spec, ca, certificate, key string) string {
	encode := func(pem string) string { return base64.StdEncoding.EncodeToString([]byte(pem)) }
	return fill("kubeconfig.yaml.tmpl", struct {
		Cluster, Endpoint, CA, Certificate, Key string
	}{s.ClusterName, Endpoint(s), encode(ca), encode(certificate), encode(key)})
}
