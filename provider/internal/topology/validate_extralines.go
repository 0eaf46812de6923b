package topology

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const maxLineWords = 64 // HAProxy's MAX_LINE_ARGS

// What a TCP frontend of HAProxy takes, from its manual's matrix of keywords. The others are sections, are written by this package, or
// do nothing where no HTTP is spoken.
var (
	frontendKeywords = []string{
		"acl", "backlog", "clitcpka-cnt", "clitcpka-idle", "clitcpka-intvl", "description", "email-alert", "filter", "log", "log-format",
		"log-format-sd", "log-tag", "maxconn", "no", "option", "rate-limit", "stick-table", "tcp-request", "timeout", "declare", "unique-id-format",
	}
	frontendOptions = []string{
		"clitcpka", "contstats", "dontlog-normal", "dontlognull", "independent-streams", "log-separate-errors", "logasap", "nolinger", "socket-stats",
		"splice-auto", "splice-request", "splice-response", "tcp-smart-accept", "tcpka", "tcplog",
	}
	ownKeywords     = []string{"bind", "mode", "default_backend", "use_backend", "disabled", "enabled", "id", "bind-process"}
	sectionKeywords = []string{"global", "defaults", "frontend", "backend", "listen", "userlist", "peers", "resolvers", "mailers", "program", "ring", "cache", "http-errors", "fcgi-app", "log-forward", "crt-store"}
	httpKeywords    = []string{"http-request", "http-response", "http-after-response", "capture", "compression", "errorfile", "errorfiles", "errorloc", "errorloc302", "errorloc303", "monitor", "monitor-uri", "redirect", "http-error", "unique-id-header"}
	ownACLs         = []string{"FALSE", "TRUE", "LOCALHOST", "REQ_CONTENT", "WAIT_END", "RDP_COOKIE", "HTTP"}
)

// Words of a line: what is in quotes or behind a backslash is one. HAProxy's own check, which looks closer, runs on the nodes.
var linePattern = regexp.MustCompile(`^(?:[^"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')*$`)

func (v *validator) extraLines(lines []string) {
	acls := map[string][]string{} // name to the networks of src, or another kind
	accepts := slices.ContainsFunc(lines, func(line string) bool {
		w := strings.Fields(line)
		return len(w) > 2 && w[0] == "tcp-request" && w[2] == "accept"
	})
	for _, line := range lines {
		if w := strings.Fields(line); len(w) > 2 && w[0] == "acl" {
			if w[2] == "src" {
				acls[w[1]] = append(acls[w[1]], w[3:]...)
			} else {
				acls[w[1]] = append(acls[w[1]], "another kind")
			}
		}
	}
	for i, line := range lines {
		path := fmt.Sprintf("loadBalancers.extraLines[%d]", i)
		if v.extraLine(path, line) {
			v.condition(path, strings.Fields(line), acls, accepts)
		}
	}
}

// extraLine checks a line by itself and says whether it is good.
func (v *validator) extraLine(path, line string) bool {
	words := strings.Fields(line)
	before := len(v.problems)
	const remedy = "give a line of a TCP frontend, like tcp-request connection reject unless { src 10.0.0.0/8 }"
	switch {
	case strings.ContainsAny(line, "\n\r"):
		v.add(path, "holds a line break; give one HAProxy line an entry")
	case len(words) == 0:
		v.add(path, "is empty; take it out")
	case strings.HasPrefix(words[0], "#"):
		return false
	case strings.ContainsFunc(line, func(r rune) bool { return r > 126 || r < ' ' && r != '\t' }):
		v.add(path, "holds characters that are not plain ASCII, like a no-break space; write it anew")
	case !linePattern.MatchString(line):
		v.add(path, "has a quote that is not closed or a backslash at its end; close it, or write two backslashes for one")
	case len(words) > maxLineWords:
		v.add(path, "has %d words, and HAProxy reads %d of a line; write several lines of one acl", len(words), maxLineWords)
	case strings.HasPrefix(words[0], "."):
		v.add(path, "%q is a condition of HAProxy's reader and would hide what follows; %s", words[0], remedy)
	case slices.Contains(sectionKeywords, words[0]):
		v.add(path, "%q begins a section of its own and would cut the API's frontend off; %s", words[0], remedy)
	case slices.Contains(ownKeywords, words[0]):
		v.add(path, "%q is written by this package (loadBalancers.apiPort, the servers); take the line out", words[0])
	case slices.Contains(httpKeywords, words[0]):
		v.add(path, "%q works on HTTP, and the API passes through as TCP; %s", words[0], remedy)
	case !slices.Contains(frontendKeywords, words[0]):
		v.add(path, "%q is no keyword of an HAProxy frontend;%s %s", words[0], suggest(words[0], frontendKeywords), remedy)
	case len(words) == 1:
		v.add(path, "%q alone says nothing; %s", words[0], remedy)
	default:
		v.keyword(path, words)
	}
	return len(v.problems) == before
}

func (v *validator) keyword(path string, words []string) {
	switch words[0] {
	case "no":
		if words[1] == "option" && len(words) > 2 {
			v.keyword(path, words[1:])
		}
	case "option":
		if !slices.Contains(frontendOptions, words[1]) {
			v.add(path, "option %s is none of a TCP frontend;%s there are: %s", words[1], suggest(words[1], frontendOptions), strings.Join(frontendOptions, ", "))
		}
	case "maxconn", "backlog", "clitcpka-cnt":
		if n, err := strconv.Atoi(words[1]); err != nil || n < 1 {
			v.add(path, "%q is not a number for %s; give one, like 2000", words[1], words[0])
		}
	case "timeout":
		if words[1] != "client" && words[1] != "client-fin" {
			v.add(path, "timeout %s does nothing in a frontend; there are timeout client and timeout client-fin", words[1])
			return
		}
		if n, err := strconv.Atoi(words[len(words)-1]); len(words) != 3 || err == nil && n < 1000 {
			v.add(path, "a timeout without a unit is in milliseconds; write it like timeout client 1m")
		}
	case "acl":
		if len(words) > 2 && words[2] == "src" {
			v.networks(path, words[3:])
		}
	}
}

func (v *validator) networks(path string, words []string) {
	for _, word := range words {
		if word == "-f" {
			return // a file on the node
		}
		if _, err := netip.ParsePrefix(word); err == nil || strings.HasPrefix(word, "-") {
			continue
		}
		if _, err := netip.ParseAddr(word); err != nil {
			v.add(path, "%q is neither a network nor an address; write it like 10.0.0.0/8", word)
		}
	}
}

// condition checks the part behind if or unless: its ACLs exist, and a rule that rejects leaves the nodes themselves in.
func (v *validator) condition(path string, words []string, acls map[string][]string, accepts bool) {
	rejects := len(words) > 2 && words[0] == "tcp-request" && words[2] == "reject" && !accepts // who was accepted before is not asked
	at := slices.IndexFunc(words, func(w string) bool { return w == "if" || w == "unless" })
	if at < 0 {
		if rejects {
			v.add(path, "rejects everybody, the nodes too; say whom, like unless { src 10.0.0.0/8 }")
		}
		return
	}
	known := slices.Concat(ownACLs, sortedKeys(acls))
	terms, nets, inside := 0, []string(nil), false
	negated := words[at] == "unless"
	for _, word := range words[at+1:] {
		name := strings.TrimPrefix(word, "!")
		switch {
		case name == "{":
			terms++
			inside = true
			negated = negated != (word != name)
		case word == "}":
			inside = false
		case inside:
			nets = append(nets, word)
		case word == "!":
			negated = !negated
		case word == "or" || word == "||":
			terms += 2
		case !slices.Contains(known, name):
			v.add(path, "there is no acl called %q;%s define it in a line before", name, suggest(name, known))
			return
		default:
			terms++
			negated = negated != (word != name)
			nets = append([]string{"src"}, acls[name]...)
			if name == "TRUE" {
				nets = []string{"src", "0.0.0.0/0"}
			}
		}
	}
	if rejects && terms == 1 && len(nets) > 1 && nets[0] == "src" {
		v.leavesOut(path, nets[1:], negated)
	}
}

// leavesOut finds a node that a rule would keep from the API. With allow the networks are those let in, else those kept out.
func (v *validator) leavesOut(path string, nets []string, allow bool) {
	if slices.ContainsFunc(nets, func(text string) bool { return strings.HasPrefix(text, "-") || text == "another kind" }) {
		return // a file on the node, or something else than addresses: not to be known here
	}
	for _, n := range v.spec.Nodes() {
		addr, err := netip.ParseAddr(n.IP)
		if err != nil || n.Role == LoadBalancer {
			continue
		}
		within := slices.ContainsFunc(nets, func(text string) bool {
			prefix, err := netip.ParsePrefix(text)
			return err == nil && prefix.Contains(addr) || text == n.IP
		})
		if within != allow {
			v.add(path, "keeps %s (%s) from the API, which could then not join; let network.cidr in", n.Name, n.IP)
			return
		}
	}
}
