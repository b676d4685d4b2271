// Numbers for people, and text that may hold bytes which are no UTF-8: as Python has them in paths,
// each is a lone surrogate from U+DC80 on.

const byId = (id) => document.getElementById(id);
const plain = (value) => String(Number(value.toPrecision(4)));
const counted = (number) => number.toLocaleString("en");

function percent(share) {
  return `${Number((100 * share).toPrecision(3))} %`;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function toBytes(text) {
  const bytes = [];
  const encoder = new TextEncoder();
  for (const part of text.split(/([\udc80-\udcff])/u)) {
    if (/^[\udc80-\udcff]$/u.test(part)) bytes.push(part.charCodeAt(0) - 0xdc00);
    else for (const byte of encoder.encode(part)) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function fromBytes(bytes) {
  const decode = (part) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part);
  let text = "";
  try {
    text = decode(bytes);
  } catch {
    for (let at = 0; at < bytes.length; ) {
      const lead = bytes[at];
      const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      try {
        text += decode(bytes.subarray(at, at + length));
        at += length;
      } catch {
        text += String.fromCharCode(0xdc00 + lead);
        at += 1;
      }
    }
  }
  return text.replace(/^\ufeff/, "");
}

// The address of a file below the folder of this page, whatever its name.
function addressOf(name) {
  const encoded = [...toBytes(name)].map((byte) => {
    const character = String.fromCharCode(byte);
    const hex = byte.toString(16).toUpperCase().padStart(2, "0");
    return /[\w./-]/.test(character) ? character : `%${hex}`;
  });
  return `./${encoded.join("")}`;
}

function csvCell(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// Rows of {line, cells} as RFC 4180 has them; throws an Error with a sentence.
function parseCsv(text) {
  const rows = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const row = { line, cells: [] };
    for (;;) {
      let cell = "";
      if (text[at] === '"') {
        const quoted = /"((?:[^"]+|"")*)"/y;
        quoted.lastIndex = at;
        const found = quoted.exec(text);
        if (!found) throw new Error(`A quotation mark that opens in line ${line} is never closed.`);
        cell = found[1].replaceAll('""', '"');
        line += found[0].split(/\r\n|\n|\r/).length - 1;
        at = quoted.lastIndex;
      }
      const rest = /[^,\r\n]*/y;
      rest.lastIndex = at;
      cell += rest.exec(text)[0];
      at = rest.lastIndex;
      row.cells.push(cell);
      if (text[at] !== ",") break;
      at += 1;
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at += 1;
    at += 1;
    line += 1;
    if (row.cells.length > 1 || row.cells[0]) rows.push(row);
  }
  return rows;
}
