// Search, sorting, filters and keys. Everything else works without this script.
"use strict";
(() => {
  const root = document.body.dataset.root;

  // Search over all names of the run.
  const box = document.getElementById("search");
  const query = document.getElementById("query");
  const hits = document.getElementById("hits");
  const count = document.getElementById("hit-count");
  const MOST = 40;
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const names = (window.ATLAS || []).flatMap((group) =>
    group.names.map(([name, file]) => ({ name, label: group.label, href: root + group.folder + file + ".html", key: plain(name) })));
  box.hidden = names.length === 0;
  const search = () => {
    const words = plain(query.value).split(/[\s|]+/).filter(Boolean);
    const matches = words.length ? names.filter((entry) => words.every((word) => entry.key.includes(word) || plain(entry.label).includes(word))) : [];
    matches.sort((a, b) => b.key.startsWith(words[0]) - a.key.startsWith(words[0]));
    hits.replaceChildren(...matches.slice(0, MOST).map((entry) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      const label = document.createElement("span");
      link.href = entry.href;
      link.textContent = entry.name + " ";
      label.textContent = entry.label;
      link.append(label);
      item.append(link);
      return item;
    }));
    count.textContent = words.length ? `${matches.length} found` : "";
  };
  query.addEventListener("input", search);
  query.addEventListener("keydown", (event) => {
    if (event.key === "Enter") hits.querySelector("a")?.click();
    if (event.key === "ArrowDown") hits.querySelector("a")?.focus();
    if (event.key === "Escape") { query.value = ""; search(); }
  });

  // Classes of a study that has several pages: all of them are here, so that they can be sorted and filtered together.
  if (window.ROWS) {
    document.querySelector("#class-table tbody").innerHTML = window.ROWS.join("");
    document.getElementById("further").hidden = true;
  }

  // Classes: a click on a head sorts; empty cells come last.
  for (const table of document.querySelectorAll(".sortable")) {
    const body = table.tBodies[0];
    for (const head of table.querySelectorAll("th[data-key]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        const key = head.dataset.key;
        const value = (row) => key === "name" ? row.dataset.name : row.dataset[key] === "" ? null : Number(row.dataset[key]);
        const order = (a, b) => typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === null || y === null) return (x === null) - (y === null);
          return up ? order(x, y) : order(y, x);
        });
        table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        body.append(...rows);
      });
    }
  }

  // Classes: filters.
  const filters = document.getElementById("filters");
  if (filters) {
    filters.hidden = false;
    const rows = [...document.querySelectorAll("#class-table tbody tr")];
    const filter = () => {
      const name = plain(filters.elements.name.value);
      for (const row of rows) {
        row.hidden = !plain(row.dataset.name).includes(name)
          || (filters.elements.unmatched.checked && row.dataset.match !== "0")
          || (filters.elements.unstable.checked && !(row.dataset.stability !== "" && Number(row.dataset.stability) < 0.5));
      }
      document.getElementById("rows-left").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
    };
    filters.addEventListener("input", filter);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filter();
  }

  // Keys: arrows turn pages, a slash goes to the search.
  document.addEventListener("keydown", (event) => {
    const typing = /^(input|textarea|select)$/i.test(event.target.tagName) || event.target.closest?.(".scroll, pre");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !box.hidden) { event.preventDefault(); query.focus(); }
    const turn = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (turn) document.querySelector(`a[rel="${turn}"]`)?.click();
  });
})();
