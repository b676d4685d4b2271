// Thumbnails: only those near the window are in the document.

const gallery = byId("gallery");
const cards = new Map(); // index of an entry -> its card
const GAP = 12;
const ROWS_AHEAD = 2;
const grid = { columns: 1, width: 0, height: 0 };

function measureGrid() {
  const width = gallery.clientWidth;
  const least = width < 480 ? 140 : 190;
  grid.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
  grid.width = (width - GAP * (grid.columns - 1)) / grid.columns;
  grid.height = grid.width + 106 + GAP;
}

function renderGallery() {
  const rows = Math.ceil(view.length / grid.columns);
  gallery.style.height = `${rows * grid.height}px`;
  const top = -gallery.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / grid.height) - ROWS_AHEAD);
  const last = Math.floor((top + window.innerHeight) / grid.height) + ROWS_AHEAD;
  const wanted = new Map();
  const end = Math.min(view.length, (last + 1) * grid.columns);
  for (let place = first * grid.columns; place < end; place += 1) wanted.set(view[place], place);
  const current = view.indexOf(state.current); // its card stays, so that it keeps the focus
  if (current >= 0) wanted.set(state.current, current);
  const hadFocus = gallery.contains(document.activeElement);
  for (const [index, card] of cards) {
    if (!wanted.has(index)) {
      card.remove();
      cards.delete(index);
    }
  }
  // In the document they stand in the order of the view, which screen readers follow.
  [...wanted].sort((a, b) => a[1] - b[1]).forEach(([index, place], at) => {
    if (!cards.has(index)) cards.set(index, makeCard(index));
    const card = cards.get(index);
    if (gallery.children[at] !== card) gallery.insertBefore(card, gallery.children[at] ?? null);
    updateCard(card, index, place);
  });
  if (hadFocus && !gallery.contains(document.activeElement)) focusCurrent();
}

function makeCard(index) {
  const entry = entries[index];
  const card = document.createElement("div");
  card.className = "card";
  card.setAttribute("role", "listitem");
  card.dataset.index = index;
  const thumb = addButton(card, "thumb", () => openViewer(index));
  const image = document.createElement("img");
  image.alt = "";
  image.decoding = "async";
  image.src = pictureOf(index);
  const canvas = document.createElement("canvas");
  const box = document.createElement("span");
  box.className = "picture";
  const [width, height] = entry.size;
  box.style.width = `${100 * Math.min(1, width / height)}%`;
  box.style.height = `${100 * Math.min(1, height / width)}%`;
  box.append(image, canvas);
  thumb.append(box);
  const line = addText(card, "line", "");
  addText(line, "score", entry.score === null ? plain(entry.raw) : entry.score.toFixed(3));
  addText(line, "raw", entry.score === null ? "" : `raw ${plain(entry.raw)}`);
  addText(line, "tag", "");
  const name = addText(card, "name", nameOf(index));
  name.title = entry.path;
  addText(card, "about", "");
  const buttons = addText(card, "judge", "");
  for (const verdict of [GOOD, BAD]) {
    const button = addButton(buttons, verdict, () => {
      state.current = index;
      judge([[index, verdicts[index] === verdict ? "" : verdict]]);
      refresh();
    });
    button.textContent = verdict === GOOD ? "Good" : "Bad";
    button.setAttribute("aria-label", `${button.textContent}: ${nameOf(index)}`);
  }
  card.addEventListener("focusin", () => {
    if (state.current !== index) setCurrent(index);
  });
  return card;
}

function addText(parent, name, text) {
  const node = document.createElement("div");
  node.className = name;
  node.textContent = text;
  parent.append(node);
  return node;
}

function addButton(parent, name, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = name;
  button.addEventListener("click", act);
  parent.append(button);
  return button;
}

// What is known of an image beside its scores: the truth, and whether it contradicts.
function aboutTruth(index) {
  const { truth, defect } = entries[index];
  if (truth === null) return "";
  return truth ? `truth: ${defect || ANOMALOUS}` : "truth: good";
}

function updateCard(card, index, place) {
  const row = Math.floor(place / grid.columns);
  const x = (place - row * grid.columns) * (grid.width + GAP);
  card.style.width = `${grid.width}px`;
  card.style.height = `${grid.height - GAP}px`;
  card.style.transform = `translate(${x}px, ${row * grid.height}px)`;
  card.setAttribute("aria-posinset", place + 1);
  card.setAttribute("aria-setsize", view.length);
  const isCurrent = index === state.current;
  card.classList.toggle("current", isCurrent);
  card.dataset.verdict = verdicts[index];
  for (const button of card.querySelectorAll("button")) button.tabIndex = isCurrent ? 0 : -1;
  const label = decision(index);
  const tag = card.querySelector(".tag");
  tag.dataset.label = label;
  setText(tag, label);
  const about = aboutTruth(index);
  setText(card.querySelector(".about"), disagrees(index) ? `≠ ${about || "verdict"}` : about);
  card.classList.toggle("disagrees", disagrees(index));
  const judged = verdicts[index] ? `judged ${verdicts[index]}` : "not judged";
  const said = [nameOf(index), `score ${card.querySelector(".score").textContent}`, label, aboutTruth(index), judged];
  card.querySelector(".thumb").setAttribute("aria-label", said.filter(Boolean).join(", "));
  for (const verdict of [GOOD, BAD]) {
    card.querySelector(`.judge .${verdict}`).setAttribute("aria-pressed", verdicts[index] === verdict);
  }
  const canvas = card.querySelector("canvas");
  canvas.hidden = !state.heat;
  if (state.heat && canvas.dataset.of === undefined) drawHeat(canvas, index);
}

function setCurrent(index) {
  state.current = index;
  renderGallery();
}

// Moves to another place of the view, and shows it there.
function goTo(place, focus = true) {
  if (!view.length) return;
  state.current = view[Math.max(0, Math.min(view.length - 1, place))];
  renderGallery();
  showCurrent();
  if (focus) focusCurrent();
}

function focusCurrent() {
  const card = cards.get(state.current);
  (card ? card.querySelector(".thumb") : gallery).focus({ preventScroll: true });
}

function showCurrent() {
  const place = view.indexOf(state.current);
  const start = gallery.getBoundingClientRect().top + window.scrollY;
  const top = start + Math.floor(place / grid.columns) * grid.height;
  const bar = document.querySelector(".toolbar").offsetHeight + GAP;
  if (top - bar < window.scrollY) window.scrollTo({ top: top - bar });
  else if (top + grid.height > window.scrollY + window.innerHeight) {
    window.scrollTo({ top: top + grid.height - window.innerHeight });
  }
  renderGallery();
}
