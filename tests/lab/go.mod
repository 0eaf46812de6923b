module github.com/k3sha/pulumi-k3sha/tests/lab

go 1.26

require (
	golang.org/x/crypto v0.50.0
	golang.org/x/sys v0.43.0
)
