// On a small screen the sidebar lies over the page, and a press beside it folds it away. Another page is such a press.

let last = "";

export default function ({ data, parentElement }) {
  if (last && last !== data.page)
    parentElement.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, composed: true }));
  last = data.page;
}
