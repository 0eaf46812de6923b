# Takes the template away, if it is the one that was made here.
state=$(template_state)
case $state in
none) ;;
begun | "done")
	out=$(qm destroy "$ID" 2>&1) || die "qm destroy $ID failed: $(printf '%s\n' "$out" | tail -n 3); a linked clone of it needs it"
	;;
*) echo "$NODE: VM $ID is $state; it is left alone" ;;
esac
