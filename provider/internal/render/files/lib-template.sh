# Shared by the steps on a Proxmox host. A template carries in its description what it was made from: "k3sha template <hash>", with "begun" behind
# it until it is one.

# template_state: "none", "begun", "done", or what else the VM of this id is.
template_state() {
	config=$(qm config "$ID" 2>&1) || {
		case $config in
		*"does not exist"*) echo none ;;
		*) die "qm config $ID failed: $config" ;;
		esac
		return 0
	}
	name=$(printf '%s\n' "$config" | sed -n 's/^name: //p')
	case $(printf '%s\n' "$config" | sed -n 's/^description: //p') in
	"$BEGUN"*) echo begun ;;
	"$DONE"*) if printf '%s\n' "$config" | grep -qx 'template: 1'; then echo 'done'; else echo begun; fi ;;
	"k3sha template "*) echo "a template, $name, that was made by this package from something else" ;;
	*) echo "$name, which was not made here" ;;
	esac
}
