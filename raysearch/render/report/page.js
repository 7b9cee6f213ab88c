"use strict";
// Draws the figures when they come near, in the colours of the page, and lets the reader choose.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const palettes = {
    light: { ink: "#1c1e21", soft: "#6a727d", line: "#e1e4e8", card: "#ffffff", best: "#c24a00", complete: "#0b5cad", pruned: "#8a8f98", failed: "#b3151c", quiet: "#b9c4d0", band: "rgba(11,92,173,0.16)",
      c0: "#0b5cad", c1: "#d55e00", c2: "#00785f", c3: "#a1317a", c4: "#806200", c5: "#2f95d0" },
    dark: { ink: "#e8eaed", soft: "#a2acb8", line: "#343b44", card: "#1a1e23", best: "#ffa25c", complete: "#6cb2ff", pruned: "#8b949e", failed: "#ff7b72", quiet: "#4c5a69", band: "rgba(108,178,255,0.2)",
      c0: "#6cb2ff", c1: "#ff9a4d", c2: "#3ecfae", c3: "#e58cc4", c4: "#e0c04c", c5: "#a5dcff" },
  };
  const media = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  let printing = false;
  const theme = () => printing ? "light" : root.dataset.theme || (media.matches ? "dark" : "light");
  const painted = (value, palette) => {
    if (typeof value === "string" && /^\$b\d$/.test(value)) return palette["c" + value[2]] + "2b";
    if (typeof value === "string") return value[0] === "$" ? palette[value.slice(1)] ?? value : value;
    if (Array.isArray(value)) {
      if (typeof value[0] === "number" || value[0] === null) return value.slice();
      return value.map(item => painted(item, palette));
    }
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, painted(item, palette)]));
  };
  const axis = palette => ({ gridcolor: palette.line, zerolinecolor: palette.line, linecolor: palette.soft, tickcolor: palette.soft, automargin: true });
  const layoutOf = (view, palette, width, height) => {
    const own = painted(view.layout, palette);
    const layout = {
      height, autosize: true, paper_bgcolor: palette.card, plot_bgcolor: palette.card,
      font: { family: getComputedStyle(document.body).fontFamily, size: width < 500 ? 11 : 13, color: palette.ink },
      margin: { l: width < 500 ? 44 : 60, r: 14, t: width < 600 ? 34 : 58, b: 44 }, hovermode: "closest",
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      hoverlabel: { font: { family: "inherit" } },
      ...own,
    };
    for (const name of new Set(["xaxis", "yaxis", ...Object.keys(own).filter(key => /^[xy]axis\d*$/.test(key))]))
      layout[name] = { ...axis(palette), ...own[name] };
    return layout;
  };
  const chosen = {};
  const drawn = new Set();
  const errors = [];
  const draw = async name => {
    const box = document.getElementById(name);
    const figure = figures[name];
    const view = figure.views[chosen[name] || 0];
    const palette = palettes[theme()];
    try {
      await Plotly.react(box, painted(view.traces, palette), layoutOf(view, palette, box.clientWidth, figure.height),
        { responsive: true, displaylogo: false, displayModeBar: box.clientWidth < 600 ? false : "hover", modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] });
      box.dataset.drawn = theme() + ":" + (chosen[name] || 0);
      drawn.add(name);
    } catch (error) {
      errors.push(name + ": " + error);
      console.error(name, error);
    }
  };
  for (const name of Object.keys(figures)) {
    const select = document.getElementById(name + "-view");
    if (!select) continue;
    select.addEventListener("change", () => {
      chosen[name] = select.selectedIndex;
      document.getElementById(name + "-caption").textContent = figures[name].views[select.selectedIndex].caption;
      return draw(name);
    });
  }
  const near = new IntersectionObserver(entries => {
    for (const entry of entries)
      if (entry.isIntersecting && !drawn.has(entry.target.id)) draw(entry.target.id);
  }, { rootMargin: "300px" });
  for (const name of Object.keys(figures)) near.observe(document.getElementById(name));
  const rest = Object.keys(figures);
  const wait = window.requestIdleCallback ? task => requestIdleCallback(task, { timeout: 400 }) : task => setTimeout(task, 30);
  const drawNext = async () => {
    while (rest.length && drawn.has(rest[0])) rest.shift();
    if (!rest.length) { root.dataset.ready = "true"; return; }
    await draw(rest.shift());
    wait(drawNext);
  };
  wait(drawNext);
  const redraw = () => Promise.all([...drawn].map(draw));
  const button = document.getElementById("theme");
  const label = () => { button.textContent = theme() === "dark" ? "Light page" : "Dark page"; };
  button.addEventListener("click", () => { root.dataset.theme = theme() === "dark" ? "light" : "dark"; label(); redraw(); });
  media.addEventListener("change", () => { label(); redraw(); });
  label();
  addEventListener("beforeprint", () => { printing = true; for (const name of Object.keys(figures)) draw(name); });
  addEventListener("afterprint", () => { printing = false; redraw(); });

  const units = { d: 86400, h: 3600, m: 60, s: 1 };
  const valueOf = row => index => {
    const text = row.cells[index].textContent;
    if (/^(\d+(\.\d+)?[dhms])+$/.test(text))
      return [...text.matchAll(/([\d.]+)([dhms])/g)].reduce((sum, [, size, unit]) => sum + size * units[unit], 0);
    const number = parseFloat(text.replaceAll(",", ""));
    return Number.isNaN(number) ? text : number;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    table.querySelectorAll("th button").forEach((head, index) => head.addEventListener("click", () => {
      const cell = head.parentElement;
      const down = cell.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const x = valueOf(a)(index), y = valueOf(b)(index);
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
        return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
      });
      body.append(...rows);
    }));
  }
  for (const input of document.querySelectorAll("input[data-filter]")) {
    const body = document.getElementById(input.dataset.filter).tBodies[0];
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }
  window.report = { figures: Object.keys(figures), drawn, errors };
})();
