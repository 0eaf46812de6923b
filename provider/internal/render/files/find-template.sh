# Says whether the template is there as it was made.
template_state
