module my-cluster

go 1.26

require (
	github.com/k3sha/pulumi-k3sha/sdk/go/k3sha v0.1.0
	github.com/pulumi/pulumi/sdk/v3 v3.256.0
)
