package pagetext

import "strconv"

func (w *writer) keys(k shownKeys) {
	w.put(`<section aria-labelledby="keys">
<h2 id="keys">Keys</h2>
<p>%.`, k.Rule)
	if k.Expires.Machine != "" {
		w.put(` This list of keys is itself signed, and valid until `)
		w.time(k.Expires)
		w.put(`.`)
	}
	w.put(` A name on a key is whatever its maker typed. Only the full fingerprint identifies it.</p>
<ul class="cards">
`)
	for _, one := range k.Holders {
		w.holder(one)
	}
	w.put(`</ul>
`)
	if len(k.History) == 0 {
		w.put(`<p>This channel has no keys.toml: its keys stay those that users were given, and there is no history.</p>
`)
	} else {
		w.put(`<h3>History of the keys</h3>
<p>Each version must be signed by enough of the keys before it and enough of its own. The keys after “Signed by” are those whose signatures were checked when this page was written.</p>
<ol class="cards" reversed>
`)
		for _, v := range k.History {
			w.keysVersion(v)
		}
		w.put(`</ol>
`)
	}
	w.put(`</section>
`)
}

func (w *writer) holder(k shownKey) {
	w.put(`<li><p><strong>`)
	w.userID(k)
	w.put(`</strong>`)
	if k.Signed {
		w.put(` <span class="label">signed this edition</span>`)
	}
	if k.Problem != "" {
		w.put(` <span class="label bad">%</span>`, k.Problem)
	}
	w.put(`</p>
<p><code class="print">%</code></p>
<p class="quiet">%, created `, k.Fingerprint, k.Algorithm)
	w.time(k.Created)
	if k.Expires.Machine == "" {
		w.put(`, does not expire`)
	} else {
		w.put(`, expires `)
		w.time(k.Expires)
	}
	w.put(`</p></li>
`)
}

func (w *writer) userID(k shownKey) {
	if k.UserID == "" {
		w.put(`A key without a name`)
		return
	}
	w.put(`<bdi>%</bdi>`, k.UserID)
}

func (w *writer) keysVersion(v shownVersion) {
	w.put(`<li><p><strong>Version %</strong> <span class="when">issued `, strconv.FormatUint(v.Version, 10))
	w.time(v.Issued)
	w.put(`, valid until `)
	w.time(v.Expires)
	w.put(`</span></p>
<p>%.`, v.Rule)
	if v.Restart > 0 {
		w.put(` The numbers of editions start again at %.`, strconv.FormatUint(v.Restart, 10))
	}
	w.put(`</p>
`)
	w.holders(`<p>Joined:</p>`, v.Joined)
	w.holders(`<p>Left:</p>`, v.Left)
	w.holders(`<p class="bad">Revoked, never to be accepted again:</p>`, v.Revoked)
	if len(v.By) == 0 {
		w.put(`<p class="bad">Its signatures cannot be checked any more.</p>`)
	}
	w.holders(`<p>Signed by:</p>`, v.By)
	w.put(`</li>
`)
}

// holders writes a list of keys below a title, or nothing for no keys.
func (w *writer) holders(title markup, keys []shownKey) {
	if len(keys) == 0 {
		return
	}
	w.put(title)
	w.put(`<ul>
`)
	for _, k := range keys {
		w.put(`<li>`)
		w.userID(k)
		w.put(` <code class="print">%</code></li>
`, k.Fingerprint)
	}
	w.put(`</ul>
`)
}
