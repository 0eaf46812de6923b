# Lists the snapshots that this server holds: size, seconds since 1970 and name of each; then what S3 says, if that is asked for.
for file in "$FOLDER"/*; do
	[ ! -f "$file" ] || stat -c '%s %Y %n' "$file" | sed 's,\(.* \).*/,\1,'
done
if [ -n "$S3_URL" ]; then
	list=$(mktemp)
	trap 'rm -f "$list"' EXIT
	s3 "/?delimiter=%2F&list-type=2&prefix=$S3_PREFIX" "$list" || die "cannot list snapshots in S3: $s3_error"
	cat "$list"
fi
