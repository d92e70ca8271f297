// Line icons, 24 by 24: the states of an analysis, a conversation, and the actions on a waiting or running one.

const SVG = "http://www.w3.org/2000/svg";
const RING = "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0 -18";
const ICONS = {
  queued: `${RING}M12 7v5l3 2`,
  running: "M12 3a9 9 0 1 1 -9 9",
  paused: `${RING}M10 9v6M14 9v6`,
  measuring: `${RING}M8 12.5l2.7 2.7L16 9.5`,
  done: `${RING}M8 12.5l2.7 2.7L16 9.5`,
  describing: `${RING}M8 12.5l2.7 2.7L16 9.5`,
  incomplete: `${RING}M12 7.5v5.5M12 16.2v.3`,
  without_model: "M4 5h16v14H4zM4 16l4.5-5 3.5 4 2.5-2.5 5.5 5.5",
  model_failed: "M4 5h16v11H11l-4 4v-4H4zM10 8.5l4 4M14 8.5l-4 4",
  no_usable_answer: "M4 5h16v11H11l-4 4v-4H4zM10 8.5l4 4M14 8.5l-4 4",
  failed: `${RING}M12 7.5v5.5M12 16.2v.3`,
  cancelled: `${RING}M9 9l6 6M15 9l-6 6`,
  interrupted: "M12 3.5v7M7.2 6.8a7.5 7.5 0 1 0 9.6 0",
  batch: "M4 8h12v12H4zM8 8V4h12v12h-4",
  chat: "M4 5h16v11H11l-4 4v-4H4z",
  first: "M5 5h14M12 20V10M8 14l4-4 4 4",
  pause: "M9 6v12M15 6v12",
  cancel: "M7 7l10 10M17 7L7 17",
};

function iconOf(name) {
  const icon = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: `icon ${name}`, "aria-hidden": "true" }))
    icon.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? ICONS.queued);
  icon.append(path);
  return icon;
}

// Break a file's name after its separators and not within its words, as far as these fit on a line.
function breakable(text) {
  return text.split(/(?<=[_.\-\s/\\])/).flatMap((piece, place) => (place ? [element("wbr"), piece] : [piece]));
}
