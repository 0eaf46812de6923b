# Shared by the scripts that speak to S3, if they are given one: curl signs the requests, and reads the keys from its standard input.
: "${S3_URL:=}" "${S3_FOLDER:=}" "${S3_ACCESS_KEY:=}" "${S3_SECRET_KEY:=}" "${S3_CA:=}"
SECRETS="${SECRETS}
$S3_ACCESS_KEY
$S3_SECRET_KEY"
# By the proxy that k3s goes by.
https_proxy=$(sed -n 's/^HTTPS_PROXY=//p' /etc/default/k3s 2>/dev/null) || true
no_proxy=$(sed -n 's/^NO_PROXY=//p' /etc/default/k3s 2>/dev/null) || true
export https_proxy no_proxy
SECRETS="$SECRETS
$https_proxy"

# s3 PATH FILE: fetches an object, or a list, into a file.
s3() {
	if [ -n "$S3_CA" ]; then put 0644 /run/k3sha-s3-ca.pem "$S3_CA"; fi
	code=$(printf '%s:%s\n' "$S3_ACCESS_KEY" "$S3_SECRET_KEY" | sed 's/[\\"]/\\&/g; s/.*/user = "&"/' |
		curl -sS -K - --aws-sigv4 "aws:amz:$S3_REGION:s3" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --connect-timeout 10 --max-time 240 ${S3_CA:+--cacert /run/k3sha-s3-ca.pem} -o "$2" -w '%{http_code}' "$S3_URL$1" 2>/run/k3sha-s3.err) || {
		s3_error=$(redact </run/k3sha-s3.err | tail -n 1)
		return 1
	}
	case $code in
	200) return 0 ;;
	404) s3_error="there is none (404)" ;;
	403) s3_error="the keys are refused (403)" ;;
	*) s3_error="it answers $code" ;;
	esac
	return 1
}
