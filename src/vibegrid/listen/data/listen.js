"use strict";
// The listening page. Every text of window.LISTEN comes from a model or a user: it enters the document as text
// nodes and attribute values only, never as markup.
(() => {
  const data = window.LISTEN;
  const HEX = /^#[0-9a-f]{6}$/;
  const KEYS = "1234567890"; // key of each card, in order
  const PROBLEMS = {
    clipped: "clipped: part of the sound stands at full scale",
    silent: "silent: nothing to play",
    nan: "broken: the render is not a number",
  };
  const STATES = {
    "not JSON": "Invalid output: not one JSON object. What was written:",
    "few legal fields": "Not rendered: half of the fields or more have no legal label.",
  };
  const byId = (id) => document.getElementById(id);
  let current = 0;

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children); // strings become text nodes
    return node;
  }

  /** The text as nodes that may break after an underscore. */
  function breakable(text) {
    const parts = String(text).split("_");
    return parts.flatMap((part, index) => (index < parts.length - 1 ? [`${part}_`, make("wbr")] : [part]));
  }

  // One card -------------------------------------------------------------------------------------------------------

  function card(prompt, made, index) {
    const system = data.systems[index];
    const heading = make("h3", { id: `name-${index}` }, system.name);
    const node = make("li", { class: "card", "aria-labelledby": heading.id });
    const audio = made.audio && player(made, system, node);
    const head = make("div", { class: "head" });
    if (audio) head.append(playButton(audio, system, index));
    head.append(heading, make("span", { class: "kind" }, system.kind));
    node.append(head);
    if (made.title !== null) node.append(make("p", { class: "title", dir: "auto" }, made.title));
    if (made.problem) node.append(make("p", { class: "problem" }, PROBLEMS[made.problem] || made.problem));
    if (made.state !== "ok")
      node.append(make("p", { class: "problem" }, STATES[made.state] || `No output: ${made.state}`));
    if (made.raw !== null)
      node.append(make("pre", { tabindex: "0", "aria-label": "raw output" }, made.raw || "(empty)"));
    if (audio) node.append(audio);
    if (made.palettes.length) node.append(palettes(made.palettes));
    if (data.metrics.length) node.append(scores(made.scores));
    if (made.config) node.append(config(made, reference(prompt)));
    if (made.thinking) node.append(thinking(made.thinking));
    return node;
  }

  function player(made, system, node) {
    const audio = make("audio", {
      controls: "",
      preload: "none",
      src: made.audio,
      "aria-label": `Sound of ${system.name}`,
    });
    audio.addEventListener("play", () => {
      for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
      say(`Playing ${system.name}`);
    });
    for (const event of ["play", "pause", "ended"]) {
      audio.addEventListener(event, () => node.classList.toggle("playing", !audio.paused && !audio.ended));
    }
    audio.addEventListener("error", () =>
      node.append(make("p", { class: "problem" }, `cannot be played: ${made.audio}`)),
    );
    return audio;
  }

  function playButton(audio, system, index) {
    const key = KEYS[index] || "";
    const button = make("button", { type: "button", class: "play", "aria-pressed": "false" });
    button.setAttribute("aria-label", key ? `Play ${key}: ${system.name}` : `Play ${system.name}`);
    if (key) button.setAttribute("aria-keyshortcuts", key);
    const mark = make("span", { class: "mark", "aria-hidden": "true" });
    button.append(mark, key);
    for (const event of ["play", "pause", "ended"]) {
      audio.addEventListener(event, () => button.setAttribute("aria-pressed", String(!audio.paused && !audio.ended)));
    }
    button.addEventListener("click", () => playOrStop(audio));
    return button;
  }

  function palettes(all) {
    const node = make("div", { class: "palettes" });
    all.forEach((colors, number) => {
      const list = make("ul", { class: "palette", "aria-label": `Palette ${number + 1}` });
      for (const [hex, weight] of colors) {
        if (!HEX.test(hex)) continue;
        const swatch = make("li", { class: `swatch weight-${weight || "md"}`, title: `${hex} ${weight}` });
        swatch.append(make("span", { class: "unseen" }, hex));
        swatch.style.backgroundColor = hex;
        list.append(swatch);
      }
      node.append(list);
    });
    return node;
  }

  function scores(values) {
    const body = make("tbody");
    data.metrics.forEach((metric, index) => {
      const value = values[index];
      const bar = make("td", { class: "bar", "aria-hidden": "true" });
      if (value !== null && metric.range) bar.append(meter(value, metric.range));
      const name = make("th", { scope: "row", title: metric.description }, metric.name);
      body.append(make("tr", {}, name, bar, make("td", { class: "number" }, value === null ? "–" : value.toFixed(3))));
    });
    return make("table", { class: "scores" }, make("caption", { class: "unseen" }, "Scores"), body);
  }

  /** A bar from zero (or the lower end of the range) to the value. */
  function meter(value, [low, high]) {
    const origin = Math.max(low, 0);
    const fill = make("span", { class: "fill" });
    fill.style.width = `${Math.max(0, Math.min(1, (value - origin) / (high - origin))) * 100}%`;
    return make("span", { class: "meter" }, fill);
  }

  /** What the configs are compared with: {name, labels}. */
  function reference(prompt) {
    const chosen = byId("compared").value;
    if (chosen === "teacher" && prompt.teacher) return { name: "teacher", labels: prompt.teacher };
    const other = prompt.cards[Number(chosen)];
    if (other) return { name: data.systems[Number(chosen)].name, labels: other.config || [] };
    return { name: "most common", labels: prompt.common };
  }

  function config(made, { name, labels }) {
    const body = make("tbody");
    data.fields.forEach((field, index) => {
      const value = made.config[index];
      const wanted = labels[index] ?? null;
      const rendered = made.rendered[field];
      const cell = make("td", { class: "value" }, ...breakable(value === null ? "missing" : value));
      if (made.illegal.includes(field)) cell.append(make("span", { class: "illegal" }, " not a label"));
      if (rendered !== undefined) cell.append(make("span", { class: "rendered" }, `, rendered as ${rendered}`));
      const kind = value !== wanted ? "differs" : rendered !== undefined ? "replaced" : "same";
      const other = make("td", { class: "reference" }, ...breakable(kind === "differs" ? (wanted ?? "–") : ""));
      body.append(make("tr", { class: kind }, make("th", { scope: "row" }, ...breakable(field)), cell, other));
    });
    const differing = body.querySelectorAll(".differs").length;
    const columns = ["field", "here", name].map((text) => make("th", { scope: "col" }, text));
    const summary = make("summary", {}, `Config: ${differing} of ${data.fields.length} fields differ`);
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...columns)), body);
    const node = make("details", { class: "config" }, summary, table);
    node.open = byId("view").value !== "closed";
    return node;
  }

  function thinking(text) {
    return make("details", { class: "thinking" }, make("summary", {}, "thinking"), make("p", { dir: "auto" }, text));
  }

  // Playing --------------------------------------------------------------------------------------------------------

  function playOrStop(audio) {
    const starts = audio.paused || audio.ended;
    audio.pause();
    if (audio.readyState > 0) audio.currentTime = 0;
    // a play that the next key interrupts is no error; a file that cannot be played has an event of its own
    if (starts) audio.play().catch(() => {});
  }

  function say(text) {
    byId("status").textContent = text;
  }

  // Prompts --------------------------------------------------------------------------------------------------------

  function show(index) {
    current = (index + data.prompts.length) % data.prompts.length;
    const prompt = data.prompts[current];
    for (const audio of document.querySelectorAll("audio")) audio.pause();
    byId("prompts").selectedIndex = current;
    byId("vibe").textContent = prompt.prompt;
    const about = [data.eval_set, prompt.id, ...prompt.tags, `${prompt.seconds ?? data.seconds} s, all of one loudness`];
    if (prompt.expected.length) about.push(`expected ${prompt.expected.join("; ")}`);
    byId("about").textContent = about.join(" · ");
    byId("cards").replaceChildren(...prompt.cards.map((made, position) => card(prompt, made, position)));
    say(`Prompt ${current + 1} of ${data.prompts.length}: ${prompt.prompt}`);
  }

  /** The configs anew, while the sound goes on. */
  function showConfigs() {
    document.body.classList.toggle("all-fields", byId("view").value === "all");
    const prompt = data.prompts[current];
    document.querySelectorAll(".card").forEach((node, index) => {
      const old = node.querySelector(".config");
      if (old) old.replaceWith(config(prompt.cards[index], reference(prompt)));
    });
  }

  function pressed(event) {
    if (!byId("keys").checked || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const target = event.target;
    const position = event.key.length === 1 ? KEYS.indexOf(event.key) : -1;
    if (position >= 0) {
      const node = byId("cards").children[position];
      const audio = node && node.querySelector("audio");
      event.preventDefault(); // a select would search its options for the digit
      if (!audio) return;
      node.querySelector(".head").scrollIntoView({ block: "nearest" });
      playOrStop(audio);
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      if (target.matches("select, audio, pre")) return; // the arrows are theirs
      event.preventDefault();
      show(current + (event.key === "ArrowLeft" ? -1 : 1));
    }
  }

  function start() {
    byId("notes").textContent = data.notes;
    for (const link of data.links) byId("notes").append(" ", make("a", { href: link.href }, link.text));
    const shown = (text) => (text.length > 90 ? `${text.slice(0, 90)}…` : text);
    byId("prompts").append(
      ...data.prompts.map((p, i) => make("option", { value: String(i) }, `${i + 1}. ${shown(p.prompt)}`)),
    );
    byId("prompts").addEventListener("change", (event) => show(event.target.selectedIndex));
    byId("previous").addEventListener("click", () => show(current - 1));
    byId("next").addEventListener("click", () => show(current + 1));
    const references = [["common", "most common"], ...data.systems.map((system, i) => [String(i), system.name])];
    if (data.prompts.some((prompt) => prompt.teacher)) references.unshift(["teacher", "teacher"]);
    byId("compared").append(...references.map(([value, text]) => make("option", { value }, shown(text))));
    byId("compared").addEventListener("change", showConfigs);
    byId("view").value = window.matchMedia("(min-width: 48rem)").matches ? "differing" : "closed";
    byId("view").addEventListener("change", showConfigs);
    document.addEventListener("keydown", pressed);
    show(0);
  }

  start();
})();
