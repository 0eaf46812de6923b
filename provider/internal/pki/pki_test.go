package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

const day = 24 * time.Hour

// places are the CAs below k3s' server/tls.
var places = []string{"client-ca", "etcd/peer-ca", "etcd/server-ca", "request-header-ca", "server-ca"}

func authorities(t *testing.T, now time.Time) pki.Authorities {
	t.Helper()
	all, err := pki.NewAuthorities(now)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func certificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		t.Fatalf("no certificate: %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func key(t *testing.T, text string) *ecdsa.PrivateKey {
	t.Helper()
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "EC PRIVATE KEY" || len(rest) > 0 {
		t.Fatal("no EC key in SEC1 form, or more than one")
	}
	k, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// sign makes a certificate with a key of its own, by a CA or by itself.
func sign(t *testing.T, ca *pki.Pair, isCA bool) pki.Pair {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: fmt.Sprintf("made here, %t, %p", isCA, own)}, IsCA: isCA, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(day), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if isCA {
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign, nil
	}
	parent, signer := template, own
	if ca != nil {
		parent, signer = certificate(t, ca.Certificate), key(t, ca.Key)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pki.Pair{Certificate: encode("CERTIFICATE", der), Key: encode("EC PRIVATE KEY", keyDER)}
}

func trusts(t *testing.T, ca, leaf string, usage x509.ExtKeyUsage) bool {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, ca))
	_, err := certificate(t, leaf).Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err == nil
}

// pairs are the CAs by their places.
func pairs(a *pki.Authorities) map[string]*pki.Pair {
	return map[string]*pki.Pair{
		"server-ca": &a.Server, "client-ca": &a.Client, "request-header-ca": &a.RequestHeader, "etcd/server-ca": &a.EtcdServer, "etcd/peer-ca": &a.EtcdPeer,
	}
}

func TestAuthoritiesAreAsK3sMakesThem(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := authorities(t, now)
	var files []string
	for _, place := range places {
		files = append(files, place+".crt", place+".key")
	}
	if got := slices.Sorted(maps.Keys(a.Files())); !slices.Equal(got, files) {
		t.Fatalf("files %v, want %v", got, files)
	}
	seen := map[string]bool{}
	for place, pair := range pairs(&a) {
		if a.Files()[place+".crt"] != pair.Certificate || a.Files()[place+".key"] != pair.Key {
			t.Errorf("%s: another CA is in its files", place)
		}
		cert, k := certificate(t, pair.Certificate), key(t, pair.Key)
		if k.Curve != elliptic.P256() || !k.PublicKey.Equal(cert.PublicKey) {
			t.Errorf("%s: a key of another curve, or of another certificate", place)
		}
		if err := cert.CheckSignatureFrom(cert); err != nil || !cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage&x509.KeyUsageCertSign == 0 || len(cert.SubjectKeyId) == 0 {
			t.Errorf("%s is no root: %v", place, err)
		}
		if from, to := now.Add(-day), now.Add(3650*day); cert.NotBefore.Sub(from).Abs() > time.Second || cert.NotAfter.Sub(to).Abs() > time.Second {
			t.Errorf("%s is good from %s to %s", place, cert.NotBefore, cert.NotAfter)
		}
		name := map[string]string{
			"server-ca": "k3s-server-ca", "client-ca": "k3s-client-ca", "request-header-ca": "k3s-request-header-ca", "etcd/server-ca": "etcd-server-ca", "etcd/peer-ca": "etcd-peer-ca",
		}[place]
		if want := fmt.Sprintf("%s@%d", name, now.Unix()); cert.Subject.CommonName != want {
			t.Errorf("%s is called %s, want %s", place, cert.Subject.CommonName, want)
		}
		for _, what := range []string{pair.Key, string(cert.SubjectKeyId), cert.SerialNumber.String(), cert.Subject.CommonName} {
			if seen[what] {
				t.Errorf("%s shares key, id, serial number or name with another", place)
			}
			seen[what] = true
		}
	}
	if err := a.Check(); err != nil {
		t.Error(err)
	}
	if b := authorities(t, now); b.Server == a.Server || b.Client == a.Client {
		t.Error("two clusters have the same CAs")
	}
}

// Under one root for all, etcd would take any kubelet for one of its own clients.
func TestNoAuthorityStandsInForAnother(t *testing.T) {
	t.Parallel()
	a := authorities(t, time.Now())
	for issuer, pair := range pairs(&a) {
		leaf := sign(t, pair, false)
		for judge, other := range pairs(&a) {
			if trusts(t, other.Certificate, leaf.Certificate, x509.ExtKeyUsageClientAuth) != (issuer == judge) {
				t.Errorf("%s and a certificate of %s", judge, issuer)
			}
		}
	}
	admin, _, err := a.Admin(time.Now(), 365*day)
	if err != nil {
		t.Fatal(err)
	}
	for judge, other := range pairs(&a) {
		if trusts(t, other.Certificate, admin.Certificate, x509.ExtKeyUsageClientAuth) != (judge == "client-ca") {
			t.Errorf("%s and the administrator's certificate", judge)
		}
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	made := time.Now()
	a := authorities(t, made)
	end := certificate(t, a.Client.Certificate).NotAfter
	for _, c := range []struct {
		after, life time.Duration
		want        time.Time
	}{
		{0, 365 * day, made.Add(365 * day)},
		{0, 90 * day, made.Add(90 * day)},
		{0, 3650 * day, made.Add(3650 * day)},
		{3285 * day, 366 * day, end}, // never beyond its CA
		{3600 * day, 3650 * day, end},
	} {
		now := made.Add(c.after)
		pair, until, err := a.Admin(now, c.life)
		if err != nil {
			t.Fatal(err)
		}
		cert := certificate(t, pair.Certificate)
		if !cert.NotAfter.Equal(until) || until.Sub(c.want).Abs() > time.Second || cert.NotAfter.After(end) || until.Location() != time.UTC {
			t.Errorf("%+v: good until %s and said to be until %s; the CA until %s", c, cert.NotAfter, until, end)
		}
		if cert.NotBefore.Sub(now.Add(-day)).Abs() > time.Second {
			t.Errorf("%+v: good from %s", c, cert.NotBefore)
		}
	}
	pair, _, err := a.Admin(made, 365*day)
	if err != nil {
		t.Fatal(err)
	}
	cert := certificate(t, pair.Certificate)
	if k := key(t, pair.Key); k.Curve != elliptic.P256() || !k.PublicKey.Equal(cert.PublicKey) {
		t.Error("a key of another curve, or of another certificate")
	}
	if cert.Subject.String() != "CN=system:admin,O=system:masters" || cert.IsCA {
		t.Errorf("it is of %s, a CA: %t", cert.Subject, cert.IsCA)
	}
	if !trusts(t, a.Client.Certificate, pair.Certificate, x509.ExtKeyUsageClientAuth) || trusts(t, a.Client.Certificate, pair.Certificate, x509.ExtKeyUsageServerAuth) {
		t.Errorf("good for %v", cert.ExtKeyUsage)
	}
	if rest := strings.TrimPrefix(pair.Certificate, encode("CERTIFICATE", cert.Raw)); rest != a.Client.Certificate {
		t.Errorf("behind it stands %q, not its CA", rest)
	}
	again, _, err := a.Admin(made, 365*day)
	if err != nil || again.Key == pair.Key || certificate(t, again.Certificate).SerialNumber.Cmp(cert.SerialNumber) == 0 {
		t.Error("the next one has the same key or serial number")
	}
	if _, _, err := (pki.Authorities{}).Admin(made, day); err == nil {
		t.Error("made without a CA")
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	hash := func(data []byte) string {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	a := authorities(t, time.Now())
	ca := a.Server.Certificate
	root := sign(t, nil, true)
	issuing := sign(t, &root, true)
	rootDER := certificate(t, root.Certificate).Raw
	for name, c := range map[string]struct{ text, want, fails string }{
		"one certificate":   {ca, hash([]byte(ca)), ""},
		"a newline more":    {ca + "\n", hash([]byte(ca + "\n")), ""},
		"words before it":   {"words\n" + ca, hash([]byte("words\n" + ca)), ""},
		"issuing and root":  {issuing.Certificate + root.Certificate, hash(rootDER), ""},
		"spaced":            {issuing.Certificate + "\n\n" + root.Certificate + "\n", hash(rootDER), ""},
		"root first":        {root.Certificate + issuing.Certificate, hash(rootDER), ""},
		"no chain":          {issuing.Certificate + ca, "", "its certificates are no chain"},
		"nothing":           {"", "", "there is no certificate in it"},
		"no PEM":            {"K10", "", "there is no certificate in it"},
		"a damaged one":     {encode("CERTIFICATE", rootDER[:40]), "", "a certificate of the bundle cannot be read"},
		"a damaged second":  {ca + encode("CERTIFICATE", rootDER[:40]), "", "a certificate of the bundle cannot be read"},
		"a key is no chain": {a.Server.Key, "", "a certificate of the bundle cannot be read"},
	} {
		got, err := pki.Hash(c.text)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got != c.want || said != c.fails {
			t.Errorf("%s: %q, %q, want %q, %q", name, got, said, c.want, c.fails)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(day)}
	rsaCA, err := x509.CreateCertificate(rand.Reader, template, template, rsaKey.Public(), rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	const noPEM = "is not a certificate and an EC key in PEM"
	for name, c := range map[string]struct {
		change func(a *pki.Authorities)
		want   string
	}{
		"as made": {func(*pki.Authorities) {}, ""},
		"rotated under its root": {func(a *pki.Authorities) {
			i := sign(t, &a.Client, true)
			i.Certificate += a.Client.Certificate
			a.Client = i
		}, ""},
		"key of another CA": {func(a *pki.Authorities) { a.Client.Key = a.Server.Key }, "client-ca: its key is not the certificate's"},
		"the same CA twice": {func(a *pki.Authorities) { a.EtcdServer = a.Client }, "etcd/server-ca: is the same CA as client-ca"},
		"the same key twice": {func(a *pki.Authorities) {
			again := *certificate(t, a.EtcdServer.Certificate)
			der, err := x509.CreateCertificate(rand.Reader, &again, &again, key(t, a.EtcdServer.Key).Public(), key(t, a.EtcdServer.Key))
			if err != nil {
				t.Fatal(err)
			}
			a.EtcdPeer = pki.Pair{Certificate: encode("CERTIFICATE", der), Key: a.EtcdServer.Key}
		}, "etcd/peer-ca: is the same CA as etcd/server-ca"},
		"no CA":               {func(a *pki.Authorities) { a.RequestHeader = sign(t, &a.RequestHeader, false) }, "request-header-ca: is not the certificate of a CA"},
		"none at all":         {func(a *pki.Authorities) { *a = pki.Authorities{} }, "server-ca: " + noPEM},
		"certificate for key": {func(a *pki.Authorities) { a.EtcdPeer.Key = a.EtcdPeer.Certificate }, "etcd/peer-ca: " + noPEM},
		"key for certificate": {func(a *pki.Authorities) { a.EtcdPeer.Certificate = a.EtcdPeer.Key }, "etcd/peer-ca: " + noPEM},
		"damaged certificate": {func(a *pki.Authorities) { a.Server.Certificate = encode("CERTIFICATE", []byte("x")) }, "server-ca: its certificate cannot be read"},
		"damaged key":         {func(a *pki.Authorities) { a.Server.Key = encode("EC PRIVATE KEY", []byte("x")) }, "server-ca: its key cannot be read"},
		"an RSA certificate":  {func(a *pki.Authorities) { a.Server.Certificate = encode("CERTIFICATE", rsaCA) }, "server-ca: its key is not the certificate's"},
		"a key in PKCS8's form": {func(a *pki.Authorities) {
			der, err := x509.MarshalPKCS8PrivateKey(key(t, a.Client.Key))
			if err != nil {
				t.Fatal(err)
			}
			a.Client.Key = encode("PRIVATE KEY", der)
		}, "client-ca: " + noPEM},
	} {
		a := authorities(t, time.Now())
		c.change(&a)
		got := ""
		if err := a.Check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func bundle(t *testing.T) pki.Bundle {
	t.Helper()
	return pki.Bundle{Cluster: "k3s", Token: "s3rvers-s3cret-token", AgentToken: "ag3nts-s3cret-token", Authorities: authorities(t, time.Now())}
}

// inside is the JSON that a bundle's text holds.
func inside(t *testing.T, text string) string {
	t.Helper()
	packed, _ := strings.CutPrefix(text, "k3sha-recovery-bundle:")
	out, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestBundleGoesThereAndBack(t *testing.T) {
	t.Parallel()
	want := bundle(t)
	text := want.Encode()
	if strings.ContainsAny(text, "\r\n{") || !strings.HasPrefix(text, "k3sha-recovery-bundle:") {
		t.Errorf("it is not one line that says what it is: %.60s", text)
	}
	want.Format = 1
	var pretty any
	if err := json.Unmarshal([]byte(inside(t, text)), &pretty); err != nil {
		t.Fatal(err)
	}
	indented, err := json.MarshalIndent(pretty, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{text, "\n " + text + "\n", inside(t, text), string(indented)} {
		got, err := pki.Decode(form)
		if err != nil || got != want || got.Encode() != text {
			t.Errorf("came back as another: %v", err)
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := bundle(t)
	changed := func(change func(b *pki.Bundle)) string {
		b := good
		change(&b)
		return b.Encode()
	}
	const none, incomplete = "is not a recovery bundle, which is the text of a cluster's recoveryBundle output", "is incomplete: it lacks the cluster's name or a token"
	const file = "is not a recovery bundle; is it the name of a file? Give what is in it"
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "is empty"},
		"spaces":        {" \n ", "is empty"},
		"a file":        {"./backup/k3s-bundle.json", file},
		"another word":  {"k3s", file},
		"a key":         {good.Authorities.Client.Key, none},
		"a kubeconfig":  {"apiVersion: v1\nkind: Config\n", none},
		"other JSON":    {`{"kind":"Config"}`, none},
		"a list":        {"[\n]", none},
		"of other type": {`{"k3shaRecoveryBundle":"1"}`, none},
		"a later form":  {strings.Replace(inside(t, good.Encode()), `"k3shaRecoveryBundle":1`, `"k3shaRecoveryBundle":2`, 1), "is of form 2, and this version reads form 1"},
		"no name":       {changed(func(b *pki.Bundle) { b.Cluster = "" }), incomplete},
		"no token":      {changed(func(b *pki.Bundle) { b.Token = "" }), incomplete},
		"no agentToken": {changed(func(b *pki.Bundle) { b.AgentToken = "" }), incomplete},
		"no CAs":        {changed(func(b *pki.Bundle) { b.Authorities = pki.Authorities{} }), "is damaged: server-ca: is not a certificate and an EC key in PEM"},
		"a wrong key":   {changed(func(b *pki.Bundle) { b.Authorities.EtcdPeer.Key = b.Authorities.Server.Key }), "is damaged: etcd/peer-ca: its key is not the certificate's"},
		"behind it":     {good.Encode() + "x", "is damaged: a part of it is missing"},
		"cut off":       {good.Encode()[:201], "is damaged: a part of it is missing"},
		"half of it":    {good.Encode()[:22+400], none},
		"twice":         {inside(t, good.Encode()) + inside(t, good.Encode()), none},
	} {
		b, err := pki.Decode(c.text)
		if err == nil || err.Error() != c.want || b != (pki.Bundle{}) {
			t.Errorf("%s: %v, want %s; or something of it came back", name, err, c.want)
		}
	}
}

// Whatever is done to a bundle, the error about it has nothing of what is in it.
func TestDecodeNeverQuotes(t *testing.T) {
	t.Parallel()
	good := bundle(t)
	text := inside(t, good.Encode())
	var parts []string
	for _, file := range good.Authorities.Files() {
		for line := range strings.Lines(file) {
			parts = append(parts, strings.TrimSpace(line))
		}
	}
	parts = append(parts, "s3cret")
	tell := func(how, damaged string) {
		_, err := pki.Decode(damaged)
		if err == nil {
			if strings.HasPrefix(how, "cut") {
				t.Errorf("%s: taken", how)
			}
			return
		}
		for _, part := range parts {
			if len(part) > 3 && !strings.HasPrefix(part, "-----") && strings.Contains(err.Error(), part[:min(len(part), 12)]) {
				t.Fatalf("%s: the error has something of it: %v", how, err)
			}
		}
		if len(err.Error()) > 120 {
			t.Errorf("%s: %v", how, err)
		}
	}
	for cut := 1; cut < len(text); cut += 37 {
		tell(fmt.Sprintf("cut at %d", cut), text[:cut])
		tell(fmt.Sprintf("without the first %d", cut), text[cut:])
		tell(fmt.Sprintf("another byte at %d", cut), text[:cut]+"\x01"+text[cut+1:])
		tell(fmt.Sprintf("another letter at %d", cut), text[:cut]+"A"+text[cut+1:])
	}
}

// A second opinion, by OpenSSL.
func TestOpenSSLAccepts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openssl := func(args ...string) (string, error) {
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	a := authorities(t, time.Now())
	admin, _, err := a.Admin(time.Now(), 365*day)
	if err != nil {
		t.Fatal(err)
	}
	files := a.Files()
	files["admin.crt"], files["admin.key"] = admin.Certificate, admin.Key
	for name, text := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range places {
		if out, err := openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", place+".crt", place+".crt"); err != nil {
			t.Errorf("%s: %v\n%s", place, err, out)
		}
		if out, err := openssl("ec", "-check", "-noout", "-in", place+".key"); err != nil {
			t.Errorf("%s: %v\n%s", place, err, out)
		}
		out, err := openssl("verify", "-no-CAfile", "-no-CApath", "-no-CAstore", "-trusted", place+".crt", "-purpose", "sslclient", "admin.crt")
		if (err == nil) != (place == "client-ca") {
			t.Errorf("%s and the administrator's certificate: %v\n%s", place, err, out)
		}
	}
	if out, err := openssl("verify", "-CAfile", "client-ca.crt", "-purpose", "sslserver", "admin.crt"); err == nil {
		t.Errorf("a server may show the administrator's certificate:\n%s", out)
	}
}
