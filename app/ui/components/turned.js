// On a small screen the sidebar covers the page, and a press beside it folds it. Choosing another page sends such a
// press. Another analysis begins at its top: the button that starts it is at the end of a long form.

let last;

export default function ({ data, parentElement }) {
  if (last && last.page !== data.page)
    parentElement.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, composed: true }));
  if (last && last.job !== data.job) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
  last = data;
}
