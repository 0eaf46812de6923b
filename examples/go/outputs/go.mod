module my-app

go 1.26

require (
	github.com/k3sha/pulumi-k3sha/sdk/go/k3sha v0.1.0
	github.com/pulumi/pulumi-kubernetes/sdk/v4 v4.21.1
	github.com/pulumi/pulumi/sdk/v3 v3.256.0
)
