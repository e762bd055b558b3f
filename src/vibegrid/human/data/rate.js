"use strict";
// The rating page. Texts of window.RATE enter the document as text nodes only. What a rater says is kept in
// localStorage after every answer; from http: (`vibegrid rate`) it is sent to the server as well.
(() => {
  const data = window.RATE;
  const STORE = `vibegrid.rate.${data.pack}`;
  const NAME = /^[A-Za-z0-9_-]{1,40}$/;
  const COLUMNS = ["pack", "session", "rater", "trial", "choice", "seconds", "plays_a", "plays_b"];
  const CHOICES = { ArrowLeft: "a", ArrowDown: "tie", ArrowRight: "b" };
  const LONG_ENOUGH = Math.min(1.5, data.seconds / 2); // seconds of a sound that must have been heard
  const byId = (id) => document.getElementById(id);
  const sides = { a: side("a"), b: side("b") };
  let state = null; // {rater, session, form, at, answers: {trial: {choice, seconds, plays_a, plays_b}}}
  let shownAt = 0; // when the trial was shown
  let broken = false; // a sound of this trial cannot be played
  let kept = true; // whether localStorage works

  // What is kept ---------------------------------------------------------------------------------------------------

  function load() {
    try {
      const found = JSON.parse(localStorage.getItem(STORE));
      const forms = data.forms.length;
      const whole = found && NAME.test(found.rater) && /^[0-9a-f]{16}$/.test(found.session) && found.form < forms;
      return whole && Number.isInteger(found.at) && typeof found.answers === "object" ? found : null;
    } catch {
      return null; // nothing kept, or storage is off
    }
  }

  function keep() {
    try {
      localStorage.setItem(STORE, JSON.stringify(state));
    } catch {
      kept = false;
      say("This browser keeps nothing: save the ratings before you close the page.", true);
    }
  }

  /** The form of a rater: by name, or the number after # in the address. */
  function formOf(rater) {
    const asked = Number(location.hash.slice(1));
    if (Number.isInteger(asked) && asked >= 1 && asked <= data.forms.length) return asked - 1;
    let hash = 2166136261; // FNV-1a
    for (const character of rater) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619) >>> 0;
    return hash % data.forms.length;
  }

  function session() {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const trials = () => data.forms[state.form];
  const answered = () => trials().filter((trial) => state.answers[trial.id]).length;

  function csv() {
    const rows = trials().filter((trial) => state.answers[trial.id]);
    const lines = rows.map((trial) => {
      const answer = state.answers[trial.id];
      const head = [data.pack, state.session, state.rater, trial.id, answer.choice];
      return [...head, answer.seconds.toFixed(1), answer.plays_a, answer.plays_b].join(",");
    });
    return `${[COLUMNS.join(","), ...lines].join("\n")}\n`;
  }

  // Sounds ---------------------------------------------------------------------------------------------------------

  function side(name) {
    const audio = new Audio();
    const button = byId(`play-${name}`);
    const made = { audio, button, heard: false, plays: 0 };
    audio.preload = "auto";
    audio.addEventListener("play", () => {
      made.plays += 1;
      button.classList.add("playing");
    });
    for (const event of ["pause", "ended"]) {
      audio.addEventListener(event, () => button.classList.remove("playing"));
    }
    for (const event of ["timeupdate", "ended"]) {
      audio.addEventListener(event, () => {
        if (made.heard || (audio.currentTime < LONG_ENOUGH && !audio.ended)) return;
        made.heard = true;
        button.classList.add("heard");
        offer();
      });
    }
    audio.addEventListener("error", () => {
      if (!audio.getAttribute("src")) return;
      broken = true;
      offer();
    });
    button.addEventListener("click", () => playOrStop(name));
    return made;
  }

  function playOrStop(name) {
    const { audio } = sides[name];
    const starts = audio.paused || audio.ended;
    stop();
    if (starts) audio.play().catch(() => {}); // interrupted by the next key, or an error with an event of its own
  }

  function stop() {
    for (const { audio } of Object.values(sides)) {
      audio.pause();
      if (audio.readyState > 0) audio.currentTime = 0;
    }
  }

  // One trial ------------------------------------------------------------------------------------------------------

  function show(at) {
    state.at = Math.max(0, Math.min(at, trials().length - 1));
    const trial = trials()[state.at];
    stop();
    broken = false;
    for (const name of ["a", "b"]) {
      const made = sides[name];
      Object.assign(made, { heard: false, plays: 0 });
      made.button.classList.remove("heard", "playing");
      made.audio.src = trial[name];
      made.button.setAttribute("aria-label", `Play ${name.toUpperCase()}`);
    }
    view("trial");
    byId("vibe").textContent = trial.prompt;
    byId("place").textContent = `${state.at + 1} of ${trials().length}`;
    byId("bar-done").max = trials().length;
    byId("bar-done").value = answered();
    byId("previous").disabled = state.at === 0;
    byId("next").setAttribute("aria-label", state.at + 1 < trials().length ? "Next trial" : "To the end");
    shownAt = performance.now();
    keep();
    offer();
  }

  const ready = () => sides.a.heard && sides.b.heard;

  /** Answers that may be given now, and what is missing. */
  function offer() {
    const old = state.answers[trials()[state.at].id];
    for (const button of document.querySelectorAll("[data-choice]")) {
      button.disabled = !ready();
      button.setAttribute("aria-pressed", String(Boolean(old) && old.choice === button.dataset.choice));
    }
    const missing = ["a", "b"].filter((name) => !sides[name].heard).map((name) => name.toUpperCase());
    let text = ready() ? "" : `Hear ${missing.join(" and ")} first.`;
    if (old && !ready()) text = "Answered. To change the answer, hear both again.";
    if (broken) text = "A sound of this trial cannot be played: go on to the next one.";
    byId("hint").textContent = text;
  }

  function answer(choice) {
    if (!ready() || broken) return;
    const seconds = Math.min((performance.now() - shownAt) / 1000, 9999);
    const trial = trials()[state.at];
    state.answers[trial.id] = { choice, seconds, plays_a: sides.a.plays, plays_b: sides.b.plays };
    keep();
    send();
    onward();
  }

  /** The next trial without an answer, after this one first; the end where there is none. */
  function onward() {
    const all = trials();
    const open = all.map((trial, at) => at).filter((at) => !state.answers[all[at].id]);
    const next = open.find((at) => at > state.at) ?? open[0];
    if (next === undefined) finish();
    else show(next);
  }

  function step(by) {
    if (state.at + by >= trials().length) finish();
    else show(state.at + by);
  }

  // Beginning and end ----------------------------------------------------------------------------------------------

  function view(name) {
    for (const id of ["start", "trial", "done"]) byId(id).hidden = id !== name;
  }

  function begin() {
    view("start");
    const length = data.forms[0].length;
    const minutes = Math.ceil((length * (2 * data.seconds + 5)) / 60);
    byId("extent").textContent = `${length} trials, about ${minutes} min. You may stop and come back on this device.`;
    byId("rater").value = "";
    byId("rater").focus();
  }

  function begun(event) {
    event.preventDefault();
    const rater = byId("rater").value.trim();
    const good = NAME.test(rater);
    byId("wrong").textContent = good ? "" : "1 to 40 letters, digits, - and _ were expected.";
    if (!good) return;
    byId("rater").blur(); // keys are the trial's now
    state = { rater, session: session(), form: formOf(rater), at: 0, answers: {} };
    show(0);
  }

  function finish() {
    stop();
    const [done, all] = [answered(), trials().length];
    byId("thanks").textContent = done === all ? "Thank you." : "Not all trials are answered.";
    byId("count").textContent = `${state.rater}: ${done} of ${all} trials answered.`;
    const sent = "Every answer was sent to the server; a copy can be saved here.";
    const file = "Save the ratings and send the file to whoever asked you.";
    byId("what").textContent = served() ? sent : file;
    byId("csv").value = csv();
    view("done");
    byId("export").focus();
  }

  function save() {
    const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = `ratings-${state.rater}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  function another() {
    if (!window.confirm("Begin anew as another rater? Save the ratings first: they will be removed from this device.")) return;
    try {
      localStorage.removeItem(STORE);
    } catch {
      kept = false;
    }
    state = null;
    say("");
    begin();
  }

  // The server of `vibegrid rate` ----------------------------------------------------------------------------------

  const served = () => location.protocol === "http:" || location.protocol === "https:";

  async function send() {
    if (!served()) return;
    try {
      const reply = await fetch("ratings", { method: "POST", headers: { "Content-Type": "text/csv" }, body: csv() });
      const text = (await reply.text()).slice(0, 300);
      say(reply.ok ? "" : `The server did not take the ratings: ${text}`, !reply.ok);
    } catch {
      say("The server cannot be reached; the ratings are kept here and sent with the next answer.", true);
    }
  }

  function say(text, bad = false) {
    byId("saved").textContent = text || (kept ? "" : "This browser keeps nothing.");
    byId("saved").classList.toggle("bad", bad);
  }

  function pressed(event) {
    if (byId("trial").hidden || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const plays = { 1: "a", 2: "b" }[event.key];
    if (plays) playOrStop(plays);
    else if (CHOICES[event.key]) answer(CHOICES[event.key]);
    else if (event.key === "Backspace" && state.at > 0) step(-1);
    else return;
    event.preventDefault();
  }

  byId("notes").textContent = data.notes;
  byId("begin").addEventListener("submit", begun);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("export").addEventListener("click", save);
  byId("change").addEventListener("click", () => show(0));
  byId("another").addEventListener("click", another);
  for (const button of document.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => answer(button.dataset.choice));
  }
  document.addEventListener("keydown", pressed);
  state = load();
  if (!state) begin();
  else if (answered() === trials().length) finish();
  else show(state.at);
})();
