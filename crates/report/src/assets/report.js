"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const KEYWORDS = new Set(("False None True and as assert async await break case class continue def del elif else except finally " +
    "for from global if import in is lambda match nonlocal not or pass raise return try while with yield").split(" "));
  const TOKEN = /(#.*$)|([rbfuRBFU]{0,2}(?:"""|'''|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?))|(\b(?:0[xob][\da-f_]+|\d[\d_]*\.?[\d_]*(?:e[+-]?\d+)?j?)\b)|([^\W\d]\w*)|(\s+)|(.)/giu;
  const CHUNK = 100;
  const STAGES = [["mir", "MIR"], ["clif", "CLIF"], ["asm", "Assembly"]];

  /** An element with properties, attributes (`aria-…`, `data-…`, `role`) and children. */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const count = (n) => n.toLocaleString("en-US");
  const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;
  const short = (n) => n < 1e4 ? count(n) : n < 1e6 ? `${(n / 1e3).toPrecision(3)}k` : n < 1e9 ? `${(n / 1e6).toPrecision(3)}M` : `${(n / 1e9).toPrecision(3)}G`;
  const time = (us) => us < 1e3 ? `${us.toPrecision(3)} µs` : us < 1e6 ? `${(us / 1e3).toPrecision(3)} ms` : `${(us / 1e6).toPrecision(3)} s`;
  const percent = (part, all) => { const p = Math.round(100 * part / all); return p < 1 ? "<1 %" : `${p} %`; };
  /** How often the interpreter came to a line: statements where they are counted, else entries. */
  const came = (line) => line.hits ?? line.interpreter_calls;
  const often = (line) => line.hits === null ? `${plural(line.interpreter_calls, "entry", "entries")} into the interpreter` : `the interpreter came here ${plural(line.hits, "time")}`;
  const base = (path) => path.split("/").pop();
  // Of what calls run now, if that is known.
  const current = (f) => { const used = f.specializations.filter((s) => s.state === "in use"); return used.length ? used : f.specializations; };
  const worst = (f) => ["interpreter", "mixed", "native"].find((tier) => current(f).some((s) => s.tier === tier)) ?? "none";
  const entries = (f) => f.specializations.reduce((n, s) => n + s.lines.reduce((m, l) => m + l.interpreter_calls, 0), 0);

  // Light and dark: as the system has it until somebody chooses.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const themeButton = make("button", { className: "theme", type: "button" });
  function paintTheme() {
    const theme = chosen ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    themeButton.textContent = theme === "dark" ? "Light" : "Dark";
    themeButton.setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"} colours`);
  }
  dark.addEventListener("change", paintTheme);
  themeButton.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    paintTheme();
  });

  function header() {
    const t = data.totals;
    const total = (name, ...value) => make("div", {}, make("dt", {}, name), make("dd", {}, ...value));
    const meter = make("i");
    meter.style.width = `${t.score}%`;
    const tiers = [["native", t.native], ["mixed", t.mixed], ["interpreted", t.interpreter]];
    const of = tiers.filter(([, n]) => n).map(([name, n]) => `${count(n)} ${name}`).join(", ");
    document.getElementById("top").append(
      make("div", { className: "title" }, make("h1", {}, data.title), make("span", { className: "made" }, `numlift ${data.numlift}`), themeButton),
      make("dl", { className: "totals" },
        make("div", { className: "score", title: "Lines with code that run as machine code" },
          make("dt", {}, "Native lines"), make("dd", {}, `${t.score} %`), make("div", { className: "meter" }, meter)),
        t.native_time === null ? null : total("Time in machine code", `${t.native_time} %`, make("small", {}, `  ${time(t.interpreter_us)} in the interpreter`)),
        total("Functions", count(t.functions)),
        total("Specialisations", count(t.specializations), make("small", {}, of && `  ${of}`)),
        total("Calls", short(t.calls), make("small", {}, t.time_us === null ? "" : `  ${time(t.time_us)}`)),
        total("Interpreter entries", short(t.interpreter_calls)),
        t.exits ? total("Exits", count(t.exits)) : null,
        total("Compiling", time(t.compile_us))));
  }

  // ---- source text -------------------------------------------------------------------------------------------

  /** Spans for a line of Python; `state.quote` is the triple quote that is open. */
  function highlight(line, text, state) {
    const out = make("span", { className: "text" });
    const types = new Map();
    for (const v of line.types) types.set(v.name, types.has(v.name) ? `${types.get(v.name)} | ${v.type}` : v.type);
    const waves = line.reasons.filter((r) => r.column > 0).map((r) => [r.column - 1, r.column - 1 + r.length]);
    let at = 0;
    const put = (token, kind) => {
      if (!token) return;
      const waved = waves.some(([from, to]) => at < to && at + token.length > from);
      const type = kind === "v" ? types.get(token) : undefined;
      const names = [kind === "v" && type === undefined ? "" : kind, waved ? "wave" : ""].filter(Boolean).join(" ");
      if (names) {
        const span = make("span", { className: names }, token);
        if (type !== undefined) span.dataset.type = `${token}: ${type}`;
        out.append(span);
      } else out.append(token);
      at += token.length;
    };
    let rest = text;
    while (rest) {
      if (state.quote) {
        const end = rest.indexOf(state.quote);
        const part = end < 0 ? rest : rest.slice(0, end + 3);
        put(part, "s");
        rest = rest.slice(part.length);
        if (end >= 0) state.quote = null;
        continue;
      }
      TOKEN.lastIndex = 0;
      const found = TOKEN.exec(rest);
      if (!found || found.index !== 0) { put(rest, ""); break; }
      const [token, comment, string, number, word] = found;
      if (string !== undefined && /("""|''')$/.test(token)) state.quote = token.slice(-3);
      put(token, comment !== undefined ? "c" : string !== undefined ? "s" : number !== undefined ? "d"
        : word === undefined ? "" : KEYWORDS.has(word) ? "k" : "v");
      rest = rest.slice(token.length);
    }
    return out;
  }

  function reason(r, at) {
    const place = r.file ? `  ${base(r.file)}:${r.line}` : at && at !== r.line ? `  line ${r.line}` : "";
    return make("div", { className: "reason" },
      make("span", { className: "badge code" }, r.code), ` ${r.message}`,
      make("span", { className: "soft" }, place),
      make("div", { className: "help" }, r.help));
  }

  /** The code of a line, one stage at a time, alone or where it stands. */
  function codeView(s, line) {
    const stages = STAGES.filter(([key]) => s.code[key].some(([at]) => at === line.line));
    if (!stages.length) return null;
    const listing = make("pre", { className: "listing", tabIndex: 0 });
    const all = make("input", { type: "checkbox" });
    let stage = stages[0][0];
    const show = () => {
      listing.replaceChildren();
      for (const [at, text] of s.code[stage]) {
        if (at === line.line) listing.append(all.checked ? make("span", { className: "mine" }, text) : text, "\n");
        else if (all.checked) listing.append(text, "\n");
      }
      for (const button of bar.querySelectorAll("button")) button.setAttribute("aria-selected", String(button.dataset.stage === stage));
      if (all.checked) {
        const mine = listing.querySelector(".mine");
        if (mine) listing.scrollTop = mine.offsetTop - listing.offsetTop - 60;
      }
    };
    const bar = make("div", { className: "stagebar", role: "tablist" });
    for (const [key, name] of stages) {
      const button = make("button", { type: "button", role: "tab", "data-stage": key }, name);
      button.addEventListener("click", () => { stage = key; show(); });
      bar.append(button);
    }
    all.addEventListener("change", show);
    bar.append(make("label", {}, all, " whole function"));
    show();
    return make("div", {}, bar, listing);
  }

  function detail(s, line) {
    const out = make("div", { className: "detail", role: "region", "aria-label": `Line ${line.line}` });
    out.append(...line.reasons.map((r) => reason(r, line.line)));
    if (came(line)) {
      const share = line.interpreter_us === null || !s.time_us ? "" : ` (${percent(line.interpreter_us, s.time_us)} of the calls' time)`;
      const spent = line.interpreter_us === null ? "" : `, ${time(line.interpreter_us)}${share}`;
      const text = often(line);
      out.append(make("div", {}, `${text[0].toUpperCase()}${text.slice(1)}${spent}`));
    }
    if (line.types.length) {
      out.append(make("h3", {}, "Types"), make("ul", { className: "types" },
        ...line.types.map((v) => make("li", {}, make("code", {}, `${v.name}: ${v.type}`)))));
    }
    if (line.remarks.length) {
      out.append(make("h3", {}, "Optimiser"), make("ul", {},
        ...line.remarks.map((r) => make("li", {}, r.message, r.count > 1 ? ` (${r.count} times)` : "", make("span", { className: "soft" }, `  ${r.pass}`)))));
    }
    const code = codeView(s, line);
    if (code) out.append(code);
    if (!out.childNodes.length) out.append(make("span", { className: "soft" }, "No code comes from this line."));
    return out;
  }

  /** Rows of one specialisation. */
  function source(s) {
    const table = make("div", { className: "source", role: "list" });
    const most = s.lines.reduce((n, l) => Math.max(n, came(l)), 1);
    const timed = s.time_us > 0 && s.lines.some((l) => l.interpreter_us !== null);
    const digits = String(s.lines.length ? s.lines[s.lines.length - 1].line : 1).length;
    const widest = s.lines.reduce((n, l) => Math.max(n, came(l) ? short(came(l)).length : 0), 0);
    table.style.setProperty("--numbers", `${digits + 3}ch`);
    table.style.setProperty("--counts", widest ? `${widest + 3}ch` : "12px");
    table.style.setProperty("--shares", timed ? "6ch" : "0px");
    const starts = new Map(s.lines.map((l) => [l.line, came(l)]));
    const state = { quote: null };
    let chunk = null;
    s.lines.forEach((line, i) => {
      if (i % CHUNK === 0) {
        chunk = make("div", { className: "chunk", role: "presentation" });
        const size = Math.min(CHUNK, s.lines.length - i) * 21;
        chunk.style.containIntrinsicSize = `auto ${size}px`;
        table.append(chunk);
      }
      const row = make("div", { className: "row", role: "listitem", tabIndex: i ? -1 : 0, "data-line": line.line, "aria-expanded": "false" },
        make("span", { className: "count" }, came(line) ? short(came(line)) : ""),
        make("span", { className: "share" }, timed && line.interpreter_us !== null ? percent(line.interpreter_us, s.time_us) : ""),
        make("span", { className: "n" }, String(line.line)),
        make("span", { className: `bar ${line.tier ?? ""}` }),
        highlight(line, line.source, state));
      if (line.reasons.length) row.querySelector(".text").append(make("span", { className: "flag" }, line.reasons.map((r) => r.code).join(" ")));
      const hot = came(line) || (line.island === null ? 0 : starts.get(line.island) ?? 0);
      if (hot) {
        row.classList.add("hot");
        row.title = often(came(line) ? line : { hits: null, interpreter_calls: hot });
        row.style.setProperty("--share", (0.08 + 0.34 * Math.log1p(hot) / Math.log1p(Math.max(most, 1000))).toFixed(3));
      }
      row.report = { s, line };
      chunk.append(row);
    });
    return table;
  }

  function toggle(row, open) {
    const shown = row.getAttribute("aria-expanded") === "true";
    if (open === shown) return;
    row.setAttribute("aria-expanded", String(!shown));
    if (shown) {
      row.nextElementSibling.remove();
      return;
    }
    const made = detail(row.report.s, row.report.line);
    made.style.setProperty("--width", `${row.closest(".source").clientWidth}px`);
    row.after(made);
  }

  function legend(s) {
    const key = (tier, text) => make("span", {}, make("i", { className: `bar ${tier}` }), text);
    const most = s.lines.reduce((n, l) => Math.max(n, came(l)), 0);
    const counted = s.lines.some((l) => l.hits !== null);
    const timed = s.time_us > 0 && s.lines.some((l) => l.interpreter_us !== null);
    const ramp = make("span", { className: "ramp" });
    for (let step = 0; step < 5; step++) {
      const cell = make("i");
      cell.style.background = `rgb(var(--heat) / ${0.08 + 0.34 * step / 4})`;
      ramp.append(cell);
    }
    return make("div", { className: "legend" }, key("native", "machine code"), key("interpreter", "interpreter"),
      most ? make("span", {}, counted ? "the interpreter came to the line: 1" : "entries into the interpreter: 1", ramp, `${short(Math.max(most, 1000))} times (logarithmic)`) : null,
      timed ? make("span", {}, "%: share of the calls' time that the interpreter spends there") : null);
  }

  function about(s) {
    const fact = (value, text) => make("span", {}, make("b", {}, value), ` ${text}`);
    const out = make("div", { className: "about" }, make("span", { className: `badge ${s.tier}` }, s.tier),
      fact(count(s.calls), s.calls === 1 ? "call" : "calls"),
      s.time_us === null ? null : fact(time(s.time_us), s.tier === "mixed" ? `in calls, ${percent(s.interpreter_us, s.time_us)} of it in the interpreter` : "in calls"),
      s.exits ? fact(count(s.exits), "finished by the interpreter") : null,
      s.state === "in use" ? null : make("span", {}, s.state === "replaced" ? "replaced by one that assumes types" : "given up"),
      ...s.assumptions.map((a) => make("span", {}, "assumes ", make("code", {}, `${a.name}: ${a.type}`), ` (line ${a.line})`,
        a.misses ? `, ${plural(a.misses, "other value")}` : "")),
      s.callers.length ? make("span", {}, "compiled into ", make("b", {}, s.callers.join(", "))) : null,
      s.result ? make("span", {}, "gives ", make("code", {}, s.result)) : null);
    if (s.compile_us > 0) {
      const bar = make("span", { className: "stages", role: "img", "aria-label": s.stages.map((x) => `${x.name} ${time(x.us)}`).join(", ") });
      bar.title = bar.getAttribute("aria-label");
      for (const stage of s.stages) {
        const part = make("i");
        part.style.width = `${100 * stage.us / s.compile_us}%`;
        bar.append(part);
      }
      out.append(make("span", {}, s.tier === "interpreter" ? "typed in " : "compiled in ", make("b", {}, time(s.compile_us))), bar);
    }
    return out;
  }

  function fill(section, f) {
    if (section.filled) return;
    section.filled = true;
    if (!f.specializations.length) {
      section.append(make("div", { className: "absent" }, "Not called."));
      return;
    }
    const tabs = make("div", { className: "tabs", role: "tablist", "aria-label": "Specialisations" });
    const body = make("div", { role: "tabpanel" });
    const select = (index) => {
      const s = f.specializations[index];
      [...tabs.children].forEach((tab, i) => {
        tab.setAttribute("aria-selected", String(i === index));
        tab.tabIndex = i === index ? 0 : -1;
      });
      body.replaceChildren(about(s), make("div", { className: "whole" }, ...s.reasons.map((r) => reason(r))), legend(s), source(s));
    };
    f.specializations.forEach((s, i) => {
      const tab = make("button", { type: "button", role: "tab" }, make("i", { className: `dot ${s.tier}` }), s.signature);
      tab.addEventListener("click", () => select(i));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = (i + step + f.specializations.length) % f.specializations.length;
        select(next);
        tabs.children[next].focus();
      });
      tabs.append(tab);
    });
    section.select = select;
    section.append(tabs, body);
    const shown = current(f);
    select(f.specializations.indexOf(shown.find((s) => s.tier !== "native") ?? shown[0]));
  }

  function sections() {
    const main = document.getElementById("main");
    data.functions.forEach((f, i) => {
      const tier = worst(f);
      const calls = f.specializations.reduce((n, s) => n + s.calls, 0);
      const section = make("details", { className: "function", id: `f${i}` },
        make("summary", {}, make("h2", {}, f.name), make("span", { className: "place", title: f.file }, `${base(f.file)}:${f.line}`),
          tier === "none" ? null : make("span", { className: `badge ${tier}` }, tier),
          make("span", { className: "facts" }, f.specializations.length ? `${plural(f.specializations.length, "specialisation")}, ${plural(calls, "call")}` : "not called")));
      // Clicks fill before the section is seen; "toggle" comes later, and also when a search of the page opens it.
      section.firstChild.addEventListener("click", () => fill(section, f));
      section.addEventListener("toggle", () => { if (section.open) fill(section, f); });
      main.append(section);
      if (data.functions.length <= 3 || (tier !== "native" && tier !== "none" && i < 8)) {
        section.open = true;
        fill(section, f);
      }
    });
    if (!data.functions.length) main.append(make("p", { className: "soft" }, "No function with @jit was made."));
  }

  function saving(s) {
    const us = s.interpreter_us ? `${time(s.interpreter_us)} in the interpreter` : "";
    return [us, s.interpreter_calls ? plural(s.interpreter_calls, "entry", "entries") : ""].filter(Boolean).join(", ");
  }

  function advice() {
    if (!data.suggestions.length) return;
    const list = make("ol");
    for (const s of data.suggestions) {
      const link = make("a", { href: "#" }, `${base(s.file)}:${s.line}`);
      link.addEventListener("click", (event) => { event.preventDefault(); reveal(s); });
      list.append(make("li", {}, link, " ", make("span", { className: "badge code" }, s.code), ` ${s.message}  `,
        make("span", { className: "soft" }, saving(s)),
        make("div", { className: "help" }, s.help)));
    }
    document.getElementById("main").append(make("section", { className: "advice" }, make("h2", {}, "What would help most"), list));
  }

  function keys() {
    const key = (name) => make("kbd", {}, name);
    document.getElementById("main").append(make("p", { className: "keys" }, "Click a line for types, remarks and code.  ",
      key("↑"), " ", key("↓"), " line   ", key("Enter"), " details   ", key("Esc"), " close   ", key("n"), " ", key("p"), " next, previous reason"));
  }

  /** Opens the line of a suggestion, in the specialisation that has it. */
  function reveal({ function: name, file, line }) {
    const index = Math.max(data.functions.findIndex((f) => f.file === file && f.specializations.some((s) => s.lines.some((l) => l.line === line && l.reasons.length))),
      data.functions.findIndex((f) => f.name === name));
    const section = document.getElementById(`f${index}`);
    if (!section) return;
    const f = data.functions[index];
    section.open = true;
    fill(section, f);
    const with_ = f.specializations.findIndex((s) => s.lines.some((l) => l.line === line && l.reasons.length));
    if (with_ >= 0) section.select(with_);
    const row = section.querySelector(`.row[data-line="${line}"]`);
    if (!row) { section.scrollIntoView(); return; }
    toggle(row, true);
    focusRow(row);
    row.scrollIntoView({ block: "center", inline: "start" });
  }

  function navigation() {
    const list = make("ul");
    data.functions.forEach((f, i) => {
      const n = entries(f);
      const link = make("a", { href: `#f${i}`, title: `${f.file}:${f.line}` }, make("i", { className: `dot ${worst(f)}` }), make("span", {}, f.name), make("span", { className: "count" }, n ? short(n) : ""));
      link.addEventListener("click", () => { document.getElementById(`f${i}`).open = true; });
      list.append(make("li", {}, link));
    });
    const search = make("input", { type: "search", placeholder: "Find a function", "aria-label": "Find a function" });
    search.addEventListener("input", () => {
      const text = search.value.toLowerCase();
      data.functions.forEach((f, i) => {
        const hidden = !f.name.toLowerCase().includes(text) && !f.file.toLowerCase().includes(text);
        list.children[i].hidden = hidden;
        document.getElementById(`f${i}`).hidden = hidden;
      });
    });
    document.getElementById("functions").append(search, list);
    document.getElementById("layout").classList.toggle("single", data.functions.length < 2);
  }

  // ---- mouse and keyboard ------------------------------------------------------------------------------------

  function focusRow(row) {
    for (const other of row.closest(".source").querySelectorAll('.row[tabindex="0"]')) other.tabIndex = -1;
    row.tabIndex = 0;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest", inline: "start" });
  }

  document.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row || String(getSelection())) return;
    toggle(row);
    focusRow(row);
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, .tabs button")) return;
    const row = event.target.closest(".row");
    const inside = row ?? event.target.closest(".detail")?.previousElementSibling;
    if (event.key === "Escape" && inside) { toggle(inside, false); focusRow(inside); return; }
    if (event.key === "n" || event.key === "p") {
      const flagged = [...document.querySelectorAll(".function[open]:not([hidden]) .row")].filter((r) => r.report.line.reasons.length);
      const from = inside ? flagged.findIndex((r) => !(inside.compareDocumentPosition(r) & Node.DOCUMENT_POSITION_PRECEDING) && r !== inside) : 0;
      const before = inside ? flagged.filter((r) => inside.compareDocumentPosition(r) & Node.DOCUMENT_POSITION_PRECEDING).pop() : flagged[flagged.length - 1];
      const next = event.key === "n" ? flagged[from] ?? flagged[0] : before ?? flagged[flagged.length - 1];
      if (next) { focusRow(next); next.scrollIntoView({ block: "center", inline: "start" }); }
      return;
    }
    if (!row) return;
    const rows = [...row.closest(".source").querySelectorAll(".row")];
    const at = rows.indexOf(row);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, j: at + 1, k: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 20, PageUp: at - 20 };
    if (event.key in moves) {
      event.preventDefault();
      focusRow(rows[Math.min(rows.length - 1, Math.max(0, moves[event.key]))]);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      toggle(row);
    }
  });

  const tip = make("div", { id: "tip", role: "tooltip" });
  document.addEventListener("mouseover", (event) => {
    const type = event.target.dataset?.type;
    tip.classList.toggle("on", type !== undefined);
    if (type === undefined) return;
    tip.textContent = type;
    const box = event.target.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${box.top > 40 ? box.top - tip.offsetHeight - 4 : box.bottom + 4}px`;
  });

  paintTheme();
  header();
  advice();
  keys();
  sections();
  navigation();
  document.body.append(tip);
  addEventListener("resize", () => {
    for (const open of document.querySelectorAll(".detail")) open.style.setProperty("--width", `${open.closest(".source").clientWidth}px`);
  });
})();
