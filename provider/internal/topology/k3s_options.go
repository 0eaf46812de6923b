package topology

// optionKind is the form of an option's value in config.yaml.
type optionKind string

const (
	text     optionKind = "a string"
	number   optionKind = "a whole number"
	flag     optionKind = "true or false"
	list     optionKind = "a string or a list of strings"
	duration optionKind = "a duration like 5m"
)

// optionRole says which of k3s' two commands takes an option. Servers are nodes too and take nearly all of a worker's.
type optionRole int

const (
	onBoth optionRole = iota
	onServer
	onWorker
)

type k3sOption struct {
	kind optionKind
	role optionRole
}

// shortOptions are k3s' one-letter names. They work in config.yaml, but a secret given by one shows in the node's annotations.
var shortOptions = map[string]string{"c": "config", "d": "data-dir", "l": "log", "i": "node-ip", "s": "server", "t": "token", "o": "write-kubeconfig"}

// k3sOptions are the options of `k3s server` and `k3s agent` from v1.27 to v1.36. Source: pkg/cli/cmds of k3s. An option that a
// server does not know it skips with a line in its journal; one that a worker does not know ends it.
var k3sOptions = map[string]k3sOption{
	"advertise-address":                 {text, onServer},
	"advertise-port":                    {number, onServer},
	"agent-token":                       {text, onServer},
	"agent-token-file":                  {text, onServer},
	"airgap-extra-registry":             {list, onBoth},
	"alsologtostderr":                   {flag, onBoth},
	"apiserver-bind-address":            {text, onServer},
	"apiserver-port":                    {number, onServer},
	"bind-address":                      {text, onBoth},
	"cluster-cidr":                      {list, onServer},
	"cluster-dns":                       {list, onServer},
	"cluster-domain":                    {text, onServer},
	"cluster-init":                      {flag, onServer},
	"cluster-reset":                     {flag, onServer},
	"cluster-reset-restore-path":        {text, onServer},
	"config":                            {text, onBoth},
	"container-runtime-endpoint":        {text, onBoth},
	"data-dir":                          {text, onBoth},
	"datastore-cafile":                  {text, onServer},
	"datastore-certfile":                {text, onServer},
	"datastore-endpoint":                {text, onServer},
	"datastore-keyfile":                 {text, onServer},
	"debug":                             {flag, onBoth},
	"default-local-storage-path":        {text, onServer},
	"default-runtime":                   {text, onBoth},
	"disable":                           {list, onServer},
	"disable-agent":                     {flag, onServer},
	"disable-apiserver":                 {flag, onServer},
	"disable-apiserver-lb":              {flag, onWorker},
	"disable-cloud-controller":          {flag, onServer},
	"disable-controller-manager":        {flag, onServer},
	"disable-default-registry-endpoint": {flag, onBoth},
	"disable-etcd":                      {flag, onServer},
	"disable-helm-controller":           {flag, onServer},
	"disable-kube-proxy":                {flag, onServer},
	"disable-network-policy":            {flag, onServer},
	"disable-scheduler":                 {flag, onServer},
	"docker":                            {flag, onBoth},
	"egress-selector-mode":              {text, onServer},
	"embedded-registry":                 {flag, onServer},
	"enable-pprof":                      {flag, onBoth},
	"etcd-arg":                          {list, onServer},
	"etcd-disable-snapshots":            {flag, onServer},
	"etcd-expose-metrics":               {flag, onServer},
	"etcd-s3":                           {flag, onServer},
	"etcd-s3-access-key":                {text, onServer},
	"etcd-s3-bucket":                    {text, onServer},
	"etcd-s3-bucket-lookup-type":        {text, onServer},
	"etcd-s3-config-secret":             {text, onServer},
	"etcd-s3-endpoint":                  {text, onServer},
	"etcd-s3-endpoint-ca":               {text, onServer},
	"etcd-s3-folder":                    {text, onServer},
	"etcd-s3-insecure":                  {flag, onServer},
	"etcd-s3-proxy":                     {text, onServer},
	"etcd-s3-region":                    {text, onServer},
	"etcd-s3-retention":                 {number, onServer},
	"etcd-s3-secret-key":                {text, onServer},
	"etcd-s3-session-token":             {text, onServer},
	"etcd-s3-skip-ssl-verify":           {flag, onServer},
	"etcd-s3-timeout":                   {duration, onServer},
	"etcd-snapshot-compress":            {flag, onServer},
	"etcd-snapshot-dir":                 {text, onServer},
	"etcd-snapshot-name":                {text, onServer},
	"etcd-snapshot-reconcile-interval":  {duration, onServer},
	"etcd-snapshot-retention":           {number, onServer},
	"etcd-snapshot-schedule-cron":       {text, onServer},
	"flannel-backend":                   {text, onServer},
	"flannel-cni-conf":                  {text, onBoth},
	"flannel-conf":                      {text, onBoth},
	"flannel-external-ip":               {flag, onServer},
	"flannel-iface":                     {text, onBoth},
	"flannel-ipv6-masq":                 {flag, onServer},
	"helm-job-image":                    {text, onServer},
	"https-listen-port":                 {number, onServer},
	"image-credential-provider-bin-dir": {text, onBoth},
	"image-credential-provider-config":  {text, onBoth},
	"image-service-endpoint":            {text, onBoth},
	"kine-tls":                          {flag, onServer},
	"kube-apiserver-arg":                {list, onServer},
	"kube-cloud-controller-arg":         {list, onServer},
	"kube-cloud-controller-manager-arg": {list, onServer},
	"kube-controller-arg":               {list, onServer},
	"kube-controller-manager-arg":       {list, onServer},
	"kube-proxy-arg":                    {list, onBoth},
	"kube-scheduler-arg":                {list, onServer},
	"kubelet-arg":                       {list, onBoth},
	"lb-server-port":                    {number, onBoth},
	"log":                               {text, onBoth},
	"node-external-dns":                 {list, onBoth},
	"node-external-ip":                  {list, onBoth},
	"node-internal-dns":                 {list, onBoth},
	"node-ip":                           {list, onBoth},
	"node-label":                        {list, onBoth},
	"node-name":                         {text, onBoth},
	"node-taint":                        {list, onBoth},
	"nonroot-devices":                   {flag, onBoth},
	"pause-image":                       {text, onBoth},
	"prefer-bundled-bin":                {flag, onBoth},
	"private-registry":                  {text, onBoth},
	"protect-kernel-defaults":           {flag, onBoth},
	"resolv-conf":                       {text, onBoth},
	"rootless":                          {flag, onBoth},
	"secrets-encryption":                {flag, onServer},
	"secrets-encryption-provider":       {text, onServer},
	"selinux":                           {flag, onBoth},
	"server":                            {text, onBoth},
	"service-cidr":                      {list, onServer},
	"service-node-port-range":           {text, onServer},
	"servicelb-namespace":               {text, onServer},
	"snapshotter":                       {text, onBoth},
	"supervisor-metrics":                {flag, onServer},
	"supervisor-port":                   {number, onServer},
	"system-default-registry":           {text, onServer},
	"tls-san":                           {list, onServer},
	"tls-san-security":                  {flag, onServer},
	"token":                             {text, onBoth},
	"token-file":                        {text, onBoth},
	"v":                                 {number, onBoth},
	"vmodule":                           {text, onBoth},
	"vpn-auth":                          {text, onBoth},
	"vpn-auth-file":                     {text, onBoth},
	"with-node-id":                      {flag, onBoth},
	"write-kubeconfig":                  {text, onServer},
	"write-kubeconfig-group":            {text, onServer},
	"write-kubeconfig-mode":             {text, onServer},
}

// k3sComponents are what k3s' disable knows. For any other name k3s deletes the manifest of that name, the user's own too.
// Source: pkg/cli/cmds/stage.go; ccm is undocumented.
var k3sComponents = []string{"ccm", "coredns", "local-storage", "metrics-server", "runtimes", "servicelb", "traefik"}
