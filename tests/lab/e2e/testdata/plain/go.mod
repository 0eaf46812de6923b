module plain

go 1.26

require (
	github.com/muhlba91/pulumi-proxmoxve/sdk/v6 v6.18.1
	github.com/pulumi/pulumi-command/sdk v1.2.1
	github.com/pulumi/pulumi/sdk/v3 v3.256.0
)
