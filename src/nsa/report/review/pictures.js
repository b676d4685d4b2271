// The embedded pictures, and maps coloured as the overlays of nsa are.

const heatTable = heatColours(page.heat);

// RGBA of each of the 256 levels of a map.
function heatColours({ colours, opacity, opaque }) {
  const table = new Uint8ClampedArray(256 * 4);
  for (let level = 0; level < 256; level += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const at = 2 * (3 * level + channel);
      table[4 * level + channel] = parseInt(colours.slice(at, at + 2), 16);
    }
    table[4 * level + 3] = 255 * opacity * Math.min(level / 255 / opaque, 1);
  }
  return table;
}

const embedded = (kind, index) => `data:image/jpeg;base64,${byId(kind + index).textContent}`;
const pictureOf = (index) => embedded("p", index);

// Draws the map of an image into a canvas, which CSS stretches over the picture.
async function drawHeat(canvas, index) {
  canvas.dataset.of = index;
  const map = new Image();
  map.src = embedded("m", index);
  await map.decode();
  if (canvas.dataset.of !== String(index)) return; // it shows another image by now
  canvas.width = map.naturalWidth;
  canvas.height = map.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(map, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) {
    const level = 4 * pixels.data[at];
    for (let channel = 0; channel < 4; channel += 1) {
      pixels.data[at + channel] = heatTable[level + channel];
    }
  }
  context.putImageData(pixels, 0, 0);
}

function drawHeatScale() {
  const canvas = byId("heat-scale");
  const pixels = new ImageData(256, 1);
  for (let level = 0; level < 256; level += 1) {
    pixels.data.set(heatTable.subarray(4 * level, 4 * level + 3), 4 * level);
    pixels.data[4 * level + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  setText(byId("heat-low"), plain(page.heat.range[0]));
  setText(byId("heat-high"), plain(page.heat.range[1]));
}
