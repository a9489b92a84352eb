// The little of Markdown that answers use, as data; nothing of it is ever read as HTML.

/** Blocks of a text: {kind: "code" | "heading" | "list" | "paragraph", ...}. An open fence is code to the end. */
export function blocks(text) {
  const found = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const fence = /^ {0,3}(```+|~~~+)\s*([^\s`]*)/.exec(line);
    const heading = /^(#{1,4})\s+(.*)$/.exec(line);
    if (fence) {
      const end = lines.findIndex((each, index) => index > at && each.trim().startsWith(fence[1]));
      const stop = end === -1 ? lines.length : end;
      found.push({ kind: "code", language: fence[2], text: lines.slice(at + 1, stop).join("\n") });
      at = stop + 1;
    } else if (heading) {
      found.push({ kind: "heading", level: heading[1].length, spans: spans(heading[2]) });
      at += 1;
    } else if (marker(line)) {
      const ordered = /^\s*\d/.test(line);
      const items = [];
      for (; at < lines.length && marker(lines[at]); at += 1) items.push(spans(lines[at].slice(marker(lines[at]))));
      found.push({ kind: "list", ordered, items });
    } else if (!line.trim()) {
      at += 1;
    } else {
      const from = at;
      while (at < lines.length && lines[at].trim() && !(at > from && begins(lines[at]))) at += 1;
      found.push({ kind: "paragraph", spans: spans(lines.slice(from, at).join("\n")) });
    }
  }
  return found;
}

/** Parts of a line: {kind: "text" | "code" | "strong" | "link", text, href?}. Only http and https are links. */
export function spans(text) {
  const found = [];
  const mark = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/g;
  let at = 0;
  for (const match of text.matchAll(mark)) {
    if (match.index > at) found.push({ kind: "text", text: text.slice(at, match.index) });
    if (match[1] !== undefined) found.push({ kind: "code", text: match[1] });
    else if (match[2] !== undefined) found.push({ kind: "strong", text: match[2] });
    else found.push({ kind: "link", text: match[3], href: match[4] });
    at = match.index + match[0].length;
  }
  if (at < text.length) found.push({ kind: "text", text: text.slice(at) });
  return found;
}

/** How many characters the mark of a list's item takes; 0 where the line is none. */
function marker(line) {
  return /^\s*(?:[-*+]|\d{1,3}[.)])\s+/.exec(line)?.[0].length ?? 0;
}

function begins(line) {
  return marker(line) > 0 || /^(?:#{1,4}\s| {0,3}(?:```|~~~))/.test(line);
}
