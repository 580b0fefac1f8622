"use strict";
// Search, filters, sorting, copying and permalinks. The page says everything without them.
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const [search, paper, verdict, count] = ["search", "by-paper", "by-verdict", "found"].map(one);
  const items = all("[data-verdicts]");
  const texts = new Map(items.map((item) => [item, item.textContent.replace(/\u200b/g, "").toLowerCase()]));

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of items) {
      const text = `${item.dataset.ids} ${texts.get(item)}`;
      item.hidden = !(words.every((word) => text.includes(word)) && (!paper.value || item.dataset.paper === paper.value)
        && (!verdict.value || item.dataset.verdicts.split(" ").includes(verdict.value)));
    }
    for (const group of all("[data-group]")) group.hidden = all("[data-verdicts]", group).every((item) => item.hidden);
    const shown = (selector) => all(selector).filter((item) => !item.hidden).length;
    count.textContent = `${shown("tr[data-verdicts]")} rows, ${shown("article[data-verdicts]")} cards`;
  }

  // a link may lead to what is filtered out or folded away
  function reveal() {
    let target = null;
    try { target = one(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!target) return;
    if (target.closest("[hidden]")) {
      search.value = paper.value = verdict.value = "";
      filter();
    }
    for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
    target.scrollIntoView();
  }

  function sort(head, index) {
    const down = head.getAttribute("aria-sort") === "ascending";
    all("th", head.parentElement).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[index].dataset.key ?? row.cells[index].textContent.trim().toLowerCase();
    const compare = (a, b) => key(a).localeCompare(key(b), "en", { numeric: true }) * (down ? -1 : 1);
    for (const body of all("tbody", head.closest("table"))) {
      body.append(...all("tr[data-verdicts]", body).sort(compare));
    }
  }

  function button(text, label, act) {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text });
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  for (const head of all("table.sortable thead th")) {
    const text = head.textContent.trim();
    head.replaceChildren(button(text, "", () => sort(head, head.cellIndex)));
  }
  for (const code of all("code.command")) {
    const copy = button("Copy", `Copy the command: ${code.textContent}`, async () => {
      try { await navigator.clipboard.writeText(code.textContent); copy.textContent = "Copied"; } catch {
        getSelection().selectAllChildren(code);  // a page from a file may not write to the clipboard
        copy.textContent = document.execCommand("copy") ? "Copied" : "Selected";
      }
      setTimeout(() => { copy.textContent = "Copy"; }, 2000);
    });
    code.after(" ", copy);
  }
  [search, paper, verdict].forEach((field) => field.addEventListener("input", filter));
  one("controls").hidden = false;
  addEventListener("hashchange", reveal);
  filter();
  reveal();
})();
