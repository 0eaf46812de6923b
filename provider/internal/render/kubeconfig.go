package render

import (
	"encoding/base64"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Kubeconfig renders the admin's kubeconfig with the VIP, or its name, as its server, from PEM.
func Kubeconfig(s topology.Spec, ca, certificate, key string) string {
	encode := func(pem string) string { return base64.StdEncoding.EncodeToString([]byte(pem)) }
	return fill("kubeconfig.yaml.tmpl", struct {
		Cluster, Context, Endpoint, CA, Certificate, Key string
	}{s.ClusterName, s.K3s.Context, PublicEndpoint(s), encode(ca), encode(certificate), encode(key)})
}
