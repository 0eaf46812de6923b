package pki

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Bundle is what makes a cluster the one that it is, and lets another stack go on with it: its name, its tokens, its CAs.
type Bundle struct {
	Format      int         `json:"k3shaRecoveryBundle"`
	Cluster     string      `json:"clusterName"`
	Token       string      `json:"token"`
	AgentToken  string      `json:"agentToken"`
	Authorities Authorities `json:"authorities"`
}

const (
	bundleFormat = 1
	bundleMark   = "k3sha-recovery-bundle:"
)

// Encode writes a bundle as one line of text. It is no JSON to look at: configurations of YAML programs would take it apart.
func (b Bundle) Encode() string {
	b.Format = bundleFormat
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // strings and a number
	}
	return bundleMark + base64.StdEncoding.EncodeToString(text)
}

// Decode reads a bundle's text, or says why it is none. No error quotes it.
func Decode(text string) (Bundle, error) {
	var b Bundle
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return b, errors.New("is empty")
	case !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, bundleMark) && !strings.Contains(trimmed, "\n") && len(trimmed) < 256:
		return b, errors.New("is not a recovery bundle; is it the name of a file? Give what is in it")
	}
	if packed, found := strings.CutPrefix(trimmed, bundleMark); found {
		text, err := base64.StdEncoding.DecodeString(packed)
		if err != nil {
			return b, errors.New("is damaged: a part of it is missing")
		}
		trimmed = string(text)
	}
	if err := json.Unmarshal([]byte(trimmed), &b); err != nil || b.Format == 0 {
		return Bundle{}, errors.New("is not a recovery bundle, which is the text of a cluster's recoveryBundle output")
	}
	if b.Format != bundleFormat {
		return Bundle{}, fmt.Errorf("is of form %d, and this version reads form %d", b.Format, bundleFormat)
	}
	if b.Cluster == "" || b.Token == "" || b.AgentToken == "" {
		return Bundle{}, errors.New("is incomplete: it lacks the cluster's name or a token")
	}
	if err := b.Authorities.Check(); err != nil {
		return Bundle{}, fmt.Errorf("is damaged: %w", err)
	}
	return b, nil
}
