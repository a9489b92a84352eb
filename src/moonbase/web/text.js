// The little of Markdown that answers use, as data; nothing of it is ever read as HTML.

/** How deep lists and quotes may stand in each other; what is deeper is text. */
const DEEP = 8;

/**
 * Blocks of a text, each {kind, ...}: "code" (language, text; an open fence is code to the end), "heading" (level,
 * spans), "list" (ordered, start, items: blocks of each), "table" (rows of cells of spans, the first is the heading),
 * "quote" (blocks), "rule", and "paragraph" (spans).
 */
export function blocks(text, depth = 0) {
  const found = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const fence = /^ {0,3}(```+|~~~+)\s*([^\s`]*)/.exec(line);
    const heading = /^(#{1,4})\s+(.*)$/.exec(line);
    if (fence) {
      const from = at + 1;
      for (at = from; at < lines.length && !lines[at].trim().startsWith(fence[1]); ) at += 1;
      found.push({ kind: "code", language: fence[2], text: lines.slice(from, at).join("\n") });
      at += 1;
    } else if (heading) {
      found.push({ kind: "heading", level: heading[1].length, spans: spans(heading[2]) });
      at += 1;
    } else if (isRule(line)) {
      found.push({ kind: "rule" });
      at += 1;
    } else if (marker(line) && depth < DEEP) {
      const { list, next } = listAt(lines, at, depth);
      found.push(list);
      at = next;
    } else if (/^ {0,3}>/.test(line) && depth < DEEP) {
      const from = at;
      while (at < lines.length && /^ {0,3}>/.test(lines[at])) at += 1;
      const within = lines.slice(from, at).map((each) => each.replace(/^ {0,3}> ?/, ""));
      found.push({ kind: "quote", blocks: blocks(within.join("\n"), depth + 1) });
    } else if (isTable(line, lines[at + 1])) {
      const rows = [cells(line)];
      for (at += 2; at < lines.length && lines[at].includes("|"); at += 1) rows.push(cells(lines[at]));
      found.push({ kind: "table", rows: rows.map((row) => row.map(spans)) });
    } else if (!line.trim()) {
      at += 1;
    } else {
      const from = at;
      at += 1;
      while (at < lines.length && lines[at].trim() && !begins(lines[at], lines[at + 1])) at += 1;
      found.push({ kind: "paragraph", spans: spans(lines.slice(from, at).join("\n")) });
    }
  }
  return found;
}

/** Parts of a line: {kind: "text" | "code" | "strong" | "em" | "link", text, href?}. Only http and https are links. */
export function spans(text) {
  const found = [];
  const mark = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|(?<!\w)\*([^*\s](?:[^*\n]*[^*\s])?)\*(?!\w)|\[([^[\]\n]+)\]\((https?:\/\/[^\s)]{1,2000})\)/g;
  let at = 0;
  for (const match of text.matchAll(mark)) {
    if (match.index > at) found.push({ kind: "text", text: text.slice(at, match.index) });
    if (match[1] !== undefined) found.push({ kind: "code", text: match[1] });
    else if (match[2] !== undefined) found.push({ kind: "strong", text: match[2] });
    else if (match[3] !== undefined) found.push({ kind: "em", text: match[3] });
    else found.push({ kind: "link", text: match[4], href: match[5] });
    at = match.index + match[0].length;
  }
  if (at < text.length) found.push({ kind: "text", text: text.slice(at) });
  return found;
}

/** The list that begins at a line, and the line behind it. What is indented more than an item's mark belongs to it. */
function listAt(lines, at, depth) {
  const ordered = isNumbered(lines[at]);
  const left = indent(lines[at]);
  const list = { kind: "list", ordered, start: ordered ? Number.parseInt(lines[at], 10) : 1, items: [] };
  while (at < lines.length && marker(lines[at]) && isNumbered(lines[at]) === ordered && !isRule(lines[at])) {
    const width = marker(lines[at]);
    const item = [lines[at].slice(width)];
    for (at += 1; at < lines.length && (!lines[at].trim() || indent(lines[at]) > left); at += 1) {
      item.push(lines[at].slice(Math.min(width, indent(lines[at]))));
    }
    list.items.push(blocks(item.join("\n"), depth + 1));
  }
  return { list, next: at };
}

/** How many characters the mark of a list's item takes; 0 where the line is none. */
function marker(line) {
  return /^\s*(?:[-*+]|\d{1,3}[.)])\s+/.exec(line)?.[0].length ?? 0;
}

function isNumbered(line) {
  return /^\s*\d/.test(line);
}

function indent(line) {
  return line.length - line.trimStart().length;
}

function isRule(line) {
  return /^ {0,3}(?:-{3,}|\*{3,}|_{3,})\s*$/.test(line);
}

/** Whether a table begins with `line`: the next is dashes between bars, as many as there are cells. */
function isTable(line, next) {
  if (!line.includes("|") || !next?.includes("-")) return false;
  const dashes = cells(next);
  return dashes.length === cells(line).length && dashes.every((each) => /^:?-+:?$/.test(each));
}

function cells(line) {
  const bare = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return bare.split("|").map((each) => each.trim());
}

function begins(line, next) {
  return marker(line) > 0 || isRule(line) || isTable(line, next) || /^(?:#{1,4}\s| {0,3}(?:```|~~~|>))/.test(line);
}
