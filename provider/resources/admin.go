package resources

import (
	"context"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// renewal is how long before its end a certificate is renewed.
const renewal = 60 * 24 * time.Hour

// AdminCertificate is the certificate in the kubeconfig. It renews itself in the first update of its last 60 days: its Diff looks at the
// calendar and asks nobody; no node notices.
type AdminCertificate struct{ config *Config }

// AdminCertificateArgs is how long a certificate is good.
type AdminCertificateArgs struct {
	Days int `pulumi:"days"`
}

// AdminCertificateState is the certificate.
type AdminCertificateState struct {
	Days        int    `pulumi:"days"`
	Certificate string `pulumi:"certificate"`
	Key         string `pulumi:"key" provider:"secret"`
	Until       string `pulumi:"until"`
}

var (
	_ infer.CustomCreate[AdminCertificateArgs, AdminCertificateState] = AdminCertificate{}
	_ infer.CustomDiff[AdminCertificateArgs, AdminCertificateState]   = AdminCertificate{}
)

// Create makes a certificate.
func (a AdminCertificate) Create(_ context.Context, req infer.CreateRequest[AdminCertificateArgs]) (infer.CreateResponse[AdminCertificateState], error) {
	resp := infer.CreateResponse[AdminCertificateState]{ID: "admin", Output: AdminCertificateState{Days: req.Inputs.Days}}
	if req.DryRun {
		return resp, nil
	}
	access, err := a.config.get()
	if err != nil {
		return resp, err
	}
	pair, until, err := access.Bundle.Authorities.Admin(time.Now(), time.Duration(req.Inputs.Days)*24*time.Hour)
	resp.Output.Certificate, resp.Output.Key, resp.Output.Until = pair.Certificate, pair.Key, until.Format(time.RFC3339)
	return resp, err
}

// Diff has the certificate replaced when its end is near, or when it is to be good for another time. Replaced, not updated: its values are
// then unknown at preview, which is what shows that the kubeconfig changes.
func (AdminCertificate) Diff(_ context.Context, req infer.DiffRequest[AdminCertificateArgs, AdminCertificateState]) (infer.DiffResponse, error) {
	until, err := time.Parse(time.RFC3339, req.State.Until)
	diff := map[string]p.PropertyDiff{}
	if err != nil || time.Until(until) < renewal {
		diff["until"] = p.PropertyDiff{Kind: p.UpdateReplace}
	}
	if req.Inputs.Days != req.State.Days {
		diff["days"] = p.PropertyDiff{Kind: p.UpdateReplace, InputDiff: true}
	}
	return infer.DiffResponse{HasChanges: len(diff) > 0, DetailedDiff: diff}, nil
}

// WireDependencies keeps the key secret, and the rest readable.
func (AdminCertificate) WireDependencies(f infer.FieldSelector, args *AdminCertificateArgs, state *AdminCertificateState) {
	f.OutputField(&state.Days).DependsOn(f.InputField(&args.Days))
	f.OutputField(&state.Key).AlwaysSecret()
}
