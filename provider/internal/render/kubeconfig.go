package render

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Credentials is what the read step prints: the cluster's CA and the admin's certificate and key, each in
// base64 as in k3s' own kubeconfig, and the full token of the servers.
type Credentials struct {
	CA          string `json:"ca"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	Token       string `json:"token"`
}

// ParseCredentials reads the read step's output. Its errors never quote it.
func ParseCredentials(stdout string) (Credentials, error) {
	var c Credentials
	if err := json.Unmarshal([]byte(stdout), &c); err != nil {
		return c, errors.New("the first server's credentials are not the JSON that its read step prints")
	}
	if _, err := c.CAPEM(); err != nil {
		return c, err
	}
	if c.CAHash() == "" || c.Certificate == "" || c.Key == "" {
		return c, errors.New("the first server's credentials lack a token of the form K10...::server:..., a certificate or a key")
	}
	return c, nil
}

// CAPEM is the cluster's CA certificate.
func (c Credentials) CAPEM() (string, error) {
	pem, err := base64.StdEncoding.DecodeString(c.CA)
	if err != nil || !strings.Contains(string(pem), "BEGIN CERTIFICATE") {
		return "", errors.New("the first server's kubeconfig does not hold a CA certificate")
	}
	return string(pem), nil
}

// CAHash is the hash of the CA as k3s' tokens carry it.
func (c Credentials) CAHash() string {
	hash, _, found := strings.Cut(strings.TrimPrefix(c.Token, "K10"), "::server:")
	if !found || !strings.HasPrefix(c.Token, "K10") {
		return ""
	}
	return hash
}

// Kubeconfig renders the admin's kubeconfig with the VIP as its server.
func Kubeconfig(s topology.Spec, c Credentials) string {
	return fill("kubeconfig.yaml.tmpl", struct {
		Cluster, Endpoint string
		Credentials
	}{s.ClusterName, Endpoint(s), c})
}
