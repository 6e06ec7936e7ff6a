package pagetext

import "strconv"

// page writes the page from the policy in its head on.
func (w *writer) page(c shownChannel) {
	w.put(`<meta http-equiv="Content-Security-Policy" content="%">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="Tools of the kist channel %: releases, keys, and how to verify them">
<title>% · kist channel</title>
<style>`, contentPolicy(), c.Name, c.Name)
	w.WriteString(style)
	w.put(`</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<p class="kind">kist channel</p>
<h1>%</h1>
<p class="lead">%. Edition %, issued `, c.Name, c.Summary, strconv.FormatUint(c.Serial, 10))
	w.time(c.Issued)
	w.put(`, valid until <time id="expires" datetime="%">%</time>.</p>
<p class="bad note" id="expired" role="status" hidden>By the clock of this device, this edition has expired. kist refuses it until its publisher signs a new one.</p>
<nav aria-label="Sections"><a href="#add">Add</a> <a href="#tools">Tools</a>`, c.Expires.Machine, c.Expires.Minute)
	if len(c.Withdrawn) > 0 {
		w.put(` <a href="#withdrawn">Withdrawn</a>`)
	}
	w.put(` <a href="#keys">Keys</a> <a href="#verify">Verify</a></nav>
</header>
<main id="main">
`)
	w.adding(c)
	w.tools(c)
	w.withdrawals(c.Withdrawn)
	w.keys(c.Keys)
	w.proving(c)
	w.put(`</main>
<footer>
<p>This page shows what was signed, but is not signed itself: anybody who controls the server can change it. kist never reads it. What counts is in `)
	for i, file := range c.Files {
		if i > 0 {
			w.put(`, `)
		}
		w.put(`<a href="./%">%</a>`, file, file)
	}
	w.put(`.</p>
</footer>
<script>`)
	w.WriteString(script)
	w.put(`</script>
</body>
</html>
`)
}

func (w *writer) adding(c shownChannel) {
	w.put(`<section aria-labelledby="add">
<h2 id="add">Add this channel</h2>
<p>Get the publisher’s public keys as <code>%.asc</code> in another way than from this server: from a colleague, a signed mail, or a place that you trust already. Compare their full fingerprints with those <a href="#keys">below</a>. Then add the channel by these keys:</p>
`, c.Name)
	w.shell("Commands that add the channel", c.Add)
	w.put(`<p>From then on kist proves every release by signatures of these keys, and trusts neither this server nor any mirror.</p>
</section>
`)
}

func (w *writer) proving(c shownChannel) {
	w.put(`<section aria-labelledby="verify">
<h2 id="verify">Verify by hand</h2>
<p>kist does this at each contact. Without kist, with <code>%.asc</code> as above, prove the list of releases:</p>
`, c.Name)
	w.shell("Commands that prove the list of releases", c.Prove)
	w.put(`<p>gpgv must say “Good signature” for as many different keys as you require, and each fingerprint after “using” must be of a key above or of its signing subkey. “No public key” is about a signature that does not count. The last command shows for which channel the list is, its number, and until when it is valid. An earlier number than you have seen, or a date in the past, means that an old copy is served.</p>
`)
	if len(c.Check) > 0 {
		w.put(`<p>Then compare a file with the list, here <code>%</code>:</p>
`, c.Example)
		w.shell("Commands that compare a file with the list", c.Check)
		w.put(`<p>sha256sum must say OK, and the last command must print a line: the list that was signed has this digest.</p>
`)
	}
	w.put(`</section>
`)
}

// shell writes lines of shell. A keyboard can scroll them.
func (w *writer) shell(label string, lines []string) {
	w.put(`<pre tabindex="0" role="group" aria-label="%"><code>`, label)
	for i, line := range lines {
		if i > 0 {
			w.put("\n")
		}
		w.put(`%`, line)
	}
	w.put(`</code></pre>
`)
}

func (w *writer) time(t shownTime) {
	if t.Machine == "" {
		w.put(`<span class="quiet">not stated</span>`)
		return
	}
	w.put(`<time datetime="%">%</time>`, t.Machine, t.Day)
}
