package pagetext

import "github.com/kist-tools/kist/cmd/kist/internal/term"

func (w *writer) tools(c shownChannel) {
	w.put(`<section aria-labelledby="tools">
<h2 id="tools">Tools</h2>
`)
	if len(c.Tools) == 0 {
		w.put(`<p>This edition has no releases.</p>
`)
	} else {
		w.put(`<div id="search" hidden><label for="find">Search tools, versions, platforms, labels and digests</label>
<input id="find" type="search" autocomplete="off" spellcheck="false"> <span id="count" role="status"></span></div>
<p id="none" hidden>No release has all of these words.</p>
`)
	}
	for _, tool := range c.Tools {
		w.tool(tool)
	}
	if len(c.Sets) > 0 {
		w.put(`<h3>Sets</h3>
<p>Tools that are installed together:</p>
<dl>
`)
		for _, set := range c.Sets {
			w.put(`<dt><code>%</code></dt><dd>%</dd>
`, set.Install, set.Tools)
		}
		w.put(`</dl>
`)
	}
	w.put(`</section>
`)
}

func (w *writer) tool(t shownTool) {
	w.put(`<section class="tool" data-tool="%" aria-labelledby="tool-%">
<h3 id="tool-%">%</h3>
<p class="install"><code>%</code></p>
`, t.Name, t.Name, t.Name, t.Name, t.Install)
	if t.Commands != "" {
		w.put(`<p class="quiet">Commands: <bdi>%</bdi></p>
`, t.Commands)
	}
	for i, r := range t.Releases {
		if i == 1 {
			w.put(`<details class="others"><summary>%</summary>
`, term.Count(len(t.Releases)-1, "other release"))
		}
		w.release(t.Name, r, i == 0)
	}
	if len(t.Releases) > 1 {
		w.put(`</details>
`)
	}
	if t.Unlisted != "" {
		w.put(`<p class="quiet">%, listed in <a href="./channel.toml">channel.toml</a></p>
`, t.Unlisted)
	}
	w.put(`</section>
`)
}

func (w *writer) release(tool string, r shownRelease, open bool) {
	if open {
		w.put(`<details class="release" open>`)
	} else {
		w.put(`<details class="release">`)
	}
	w.put(`<summary><span class="version">%</span>`, r.Version)
	for _, label := range r.Labels {
		w.put(` <span class="label">%</span>`, label)
	}
	if r.Withdrawn != "" {
		w.put(` <span class="label bad">withdrawn</span>`)
	}
	if r.Released.Machine != "" {
		w.put(` <span class="when">`)
		w.time(r.Released)
		w.put(`</span>`)
	}
	w.put(` <span class="where">%</span></summary>
`, r.Platforms)
	if r.Withdrawn != "" {
		w.put(`<p class="bad note">Withdrawn: <bdi>%</bdi></p>
`, r.Withdrawn)
	}
	w.put(`<div class="scroll" tabindex="0" role="group" aria-label="Files of % %"><table>
<thead><tr><th scope="col">Platform`, tool, r.Version)
	if r.Parts {
		w.put(`<th scope="col">Component`)
	}
	w.put(`<th scope="col">File<th scope="col" class="number">Size<th scope="col">SHA-256
<tbody>
`)
	for _, a := range r.Artifacts {
		w.put(`<tr><td>%`, a.Platform)
		if r.Parts {
			w.put(`<td>%`, a.Component)
		}
		if a.Link == "" {
			w.put(`<td><bdi>%</bdi>`, a.File)
		} else {
			w.put(`<td><a href="%"><bdi>%</bdi></a>`, a.Link, a.File)
		}
		w.put(`<td class="number">%<td><code>%</code>
`, a.Size, a.SHA256)
	}
	w.put(`</table></div></details>
`)
}

func (w *writer) withdrawals(list []shownWithdrawal) {
	if len(list) == 0 {
		return
	}
	w.put(`<section aria-labelledby="withdrawn">
<h2 id="withdrawn">Withdrawn</h2>
<p>The publisher says that these versions must not be used. kist does not install them, and warns those who have them.</p>
<ul class="cards">
`)
	for _, one := range list {
		w.put(`<li><p><strong>% %</strong>`, one.Tool, one.Versions)
		if one.Day.Machine != "" {
			w.put(` <span class="when">`)
			w.time(one.Day)
			w.put(`</span>`)
		}
		w.put(`</p>
<p><bdi>%</bdi></p>`, one.Reason)
		if one.ReplacedBy != "" {
			w.put(`
<p>Use % % instead.</p>`, one.Tool, one.ReplacedBy)
		}
		w.put(`</li>
`)
	}
	w.put(`</ul>
</section>
`)
}
