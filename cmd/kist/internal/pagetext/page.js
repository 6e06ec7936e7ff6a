(() => {
  "use strict";
  const id = (name) => document.getElementById(name);
  // Nothing says in time that the channel has expired but a clock.
  if (Date.now() > Date.parse(id("expires").dateTime)) id("expired").hidden = false;
  const box = id("find"), none = id("none"), count = id("count");
  if (!box) return;
  const tools = [...document.querySelectorAll("[data-tool]")].map((section) => ({
    section, name: section.dataset.tool, others: section.querySelector("details.others"),
    releases: [...section.querySelectorAll("details.release")].map((row) => ({ row, text: row.textContent.toLowerCase() })),
  }));
  const search = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const tool of tools) {
      let here = 0, folded = 0;
      for (const release of tool.releases) {
        const fits = words.every((word) => tool.name.includes(word) || release.text.includes(word));
        release.row.hidden = !fits;
        if (fits) here++;
        if (fits && release.row.parentElement === tool.others) folded++;
      }
      tool.section.hidden = words.length > 0 && here === 0;
      if (tool.others) {
        tool.others.hidden = words.length > 0 && folded === 0;
        tool.others.open = words.length > 0 && folded > 0;
      }
      found += here;
    }
    none.hidden = found > 0;
    count.textContent = words.length > 0 ? (found === 1 ? "1 release" : found + " releases") : "";
  };
  box.addEventListener("input", search);
  id("search").hidden = false;
  // A link to a tool leads there although a search hid it.
  window.addEventListener("hashchange", () => { box.value = ""; search(); });
})();
