// Wires everything together, and the keys.

// After any change: the view, and all that is seen of it.
function refresh() {
  const place = Math.max(0, view.indexOf(state.current));
  chooseView();
  if (view.length && !view.includes(state.current) && !viewer.open) {
    state.current = view[Math.min(place, view.length - 1)];
  }
  renderThreshold();
  renderQuality();
  renderVerdicts();
  renderToolbar();
  renderGallery();
  renderViewer();
}

function renderToolbar() {
  byId("heat").setAttribute("aria-pressed", state.heat);
  for (const option of document.querySelectorAll("[value=anomalous], [value=normal], [value=uncertain]")) {
    option.disabled = state.threshold === null;
  }
  byId("filter").value = state.filter;
  byId("order").value = state.order;
  setText(byId("shown"), `${counted(view.length)} of ${counted(entries.length)} images`);
  const empty = byId("empty");
  empty.hidden = view.length > 0;
  setText(empty, entries.length ? "No image is like that; show all to see the others." : "There are no images.");
}

// Judges the current image and goes on to the one behind it.
function judgeCurrent(verdict) {
  const place = view.indexOf(state.current);
  if (place < 0 && !viewer.open) return; // none is shown
  const next = place < 0 ? undefined : view[place + 1];
  judge([[state.current, verdict]]);
  const said = `${nameOf(state.current)} is ${verdict}.`;
  if (next === undefined) announce(`${said} It was the last one.`);
  else announce(`${said} Next: ${nameOf(next)}`);
  state.current = next ?? state.current;
  refresh();
  goOn();
}

function undoLast() {
  const index = undo();
  if (index === null) return;
  state.current = index;
  refresh();
  announce(`Undone: ${nameOf(index)} is ${verdicts[index] || "not judged"}.`);
  goOn();
}

function goOn() {
  if (view.includes(state.current)) goTo(view.indexOf(state.current), !viewer.open);
}

function move(by) {
  goTo(view.indexOf(state.current) + by, !viewer.open);
  renderViewer();
}

function toggle(name) {
  state[name] = !state[name];
  refresh();
}

function toggleEveryPixel() {
  everyPixel = !everyPixel;
  renderViewer();
}

const letterKeys = {
  g: () => judgeCurrent(GOOD),
  b: () => judgeCurrent(BAD),
  u: undoLast,
  h: () => toggle("heat"),
  r: () => toggle("regions"),
  z: () => viewer.open && toggleEveryPixel(),
};

function moveKeys() {
  const page = grid.columns * Math.max(1, Math.floor(window.innerHeight / grid.height));
  const [up, down] = viewer.open ? [-1, 1] : [-grid.columns, grid.columns];
  return {
    ArrowLeft: -1, ArrowRight: 1, ArrowUp: up, ArrowDown: down,
    PageUp: viewer.open ? -1 : -page, PageDown: viewer.open ? 1 : page, Home: -Infinity, End: Infinity,
  };
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("select, textarea, input:not([type=range])")) return;
  const letter = letterKeys[event.key.toLowerCase()];
  if (letter) {
    event.preventDefault();
    letter();
    return;
  }
  const stage = event.target.id === "stage" && everyPixel; // there the arrows scroll
  const among = event.target === document.body || event.target.closest("#gallery, #viewer");
  if (!among || stage) return;
  const by = moveKeys()[event.key];
  if (by !== undefined) {
    event.preventDefault();
    move(by);
  } else if (event.key === "Enter" && event.target === document.body && view.length) {
    event.preventDefault();
    openViewer(state.current);
  }
}

function wireToolbar() {
  for (const name of ["filter", "order"]) {
    byId(name).addEventListener("change", (event) => {
      state[name] = event.target.value;
      refresh();
      if (view.length) state.current = view[0];
      window.scrollTo({ top: Math.min(window.scrollY, galleryTop()) });
      refresh();
      announce(byId("shown").textContent);
    });
  }
  byId("heat").addEventListener("click", () => toggle("heat"));
}

function galleryTop() {
  const bar = document.querySelector(".toolbar").offsetHeight + GAP;
  return gallery.getBoundingClientRect().top + window.scrollY - bar;
}

function wireViewer() {
  const acts = {
    close: () => viewer.close(), previous: () => move(-1), next: () => move(1),
    good: () => judgeCurrent(GOOD), bad: () => judgeCurrent(BAD),
    "viewer-heat": () => toggle("heat"), regions: () => toggle("regions"), pixels: toggleEveryPixel,
    undo: undoLast,
  };
  for (const [id, act] of Object.entries(acts)) byId(id).addEventListener("click", act);
  viewer.addEventListener("close", () => {
    refresh();
    showCurrent();
    focusCurrent();
  });
}

function wireWindow() {
  document.addEventListener("keydown", onKey);
  window.addEventListener("scroll", () => renderGallery(), { passive: true });
  new ResizeObserver(() => {
    measureGrid();
    renderGallery();
    if (viewer.open) fitFrame();
  }).observe(document.documentElement);
  window.addEventListener("resize", () => viewer.open && fitFrame());
  window.addEventListener("storage", (event) => {
    if (event.key !== storageKey) return; // the same page in another tab
    setVerdicts(event.newValue ?? "");
    refresh();
  });
  window.addEventListener("beforeunload", (event) => {
    if (stored || downloaded) return;
    event.preventDefault();
    event.returnValue = ""; // older browsers ask for this
  });
}

function summarise() {
  const calibrated = calibration
    ? `calibrated by ${counted(calibration.bounds.length)} normal images, at a false alarm rate of ${percent(calibration.fpr)}`
    : "the run is not calibrated";
  setText(byId("summary"), `${counted(allRaws.length)} images; ${calibrated}`);
  const left = page.left.raw.length;
  byId("left-out").hidden = !left;
  setText(
    byId("left-out"),
    `The ${counted(entries.length)} images with the highest raw scores are shown, and ${counted(left)} others are left out; counts and curves cover all ${counted(allRaws.length)}.`,
  );
  if (!calibration) setText(byId("reset"), "Reset to no threshold");
  if (hasTruth) return;
  setText(byId("quality-title"), "Quality by your verdicts");
  setText(byId("row-bad"), "judged bad");
  setText(byId("row-good"), "judged good");
}

summarise();
drawHistogram();
drawHeatScale();
if (window.matchMedia("(max-width: 760px)").matches) {
  for (const id of ["verdicts", "quality"]) byId(id).open = false;
}
readStored();
wirePanel();
wireToolbar();
wireViewer();
wireWindow();
measureGrid();
refresh();
