# Takes a snapshot of etcd on this server, and reads it again from S3 if it goes there. Prints its name.
lock
k3s etcd-snapshot save --name "$NAME" >/run/k3sha-snapshot.out 2>&1 ||
	die_showing /run/k3sha-snapshot.out "k3s cannot take a snapshot$([ -z "$S3_URL" ] || echo ", or cannot keep it in S3"); see its last lines below; mend that, then run pulumi up again"
# The newest of that name. shellcheck would have find in the place of ls: these are names that k3s has made.
# shellcheck disable=SC2012
file=$(ls -t "$FOLDER/$NAME-"* 2>/dev/null | head -n 1)
[ -s "$file" ] || die "k3s says that it has taken a snapshot, and there is none in $FOLDER; look there, then run pulumi up again"
if [ -n "$S3_URL" ]; then
	again=/var/lib/k3sha/read-again
	trap 'rm -f "$again"' EXIT
	s3 "/$S3_FOLDER${file##*/}" "$again" || die "a snapshot was taken, and cannot be read from $S3_URL/$S3_FOLDER${file##*/}: $s3_error; see backup.s3, then run pulumi up again"
	[ "$(sha256sum <"$again")" = "$(sha256sum <"$file")" ] || die "a snapshot was taken, and what is read from S3 is another one; see what keeps $S3_URL/$S3_FOLDER${file##*/}, then run pulumi up again"
fi
echo "${file##*/}"
