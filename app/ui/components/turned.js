// On a small screen the sidebar covers the page, and a press beside it folds it. Choosing another page sends such a
// press.

let last = "";

export default function ({ data, parentElement }) {
  if (last && last !== data.page)
    parentElement.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, composed: true }));
  last = data.page;
}
