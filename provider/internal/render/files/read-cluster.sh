# Prints what the cluster's outputs are made of, as JSON. The values are secret: nothing logs this output.
k=/etc/rancher/k3s/k3s.yaml
value() { sed -n "s/^ *$1: *//p" $k | head -n 1; }
[ -s $k ] || die "there is no $k; is k3s running?"
ca=$(value certificate-authority-data) crt=$(value client-certificate-data) key=$(value client-key-data)
token=$(cat /var/lib/rancher/k3s/server/token)
case $token in K10*::server:*) ;; *) die "/var/lib/rancher/k3s/server/token does not have the form K10...::server:..." ;; esac
if [ -z "$ca" ] || [ -z "$crt" ] || [ -z "$key" ]; then die "$k lacks a certificate or key"; fi
printf '{"ca":"%s","certificate":"%s","key":"%s","token":"%s"}\n' "$ca" "$crt" "$key" "$token"
