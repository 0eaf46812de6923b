package cluster

import (
	"fmt"
	"time"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

// certificateLife is how long the certificate is good by which this run is let in; its key is never written anywhere.
const certificateLife = 30 * time.Minute

// mint makes an administrator's certificate that lives for minutes, and its key.
func mint(ca pki.Pair, now time.Time) (certificate, key []byte, err error) {
	pair, _, err := pki.Authorities{Client: ca}.Admin(now, certificateLife)
	if err != nil {
		return nil, nil, fmt.Errorf("the CA of client certificates: %w", err)
	}
	return []byte(pair.Certificate), []byte(pair.Key), nil
}
