// On a small screen the sidebar covers the page, and a press beside it folds it. Choosing another page sends such a
// press; the menu, which would stay over the other page, closes by its own button. Another analysis begins at its top:
// the button that starts it is at the end of a long form. Streamlit's own link to the page's body, and what a screen
// reader learns of its language, are in English. The browser keeps a chosen language for the next visit in a cookie.
// A tab that is loaded again sends its own language, whatever was chosen in another tab meanwhile.

let last;

const keep = ({ name, value }) => {
  const path = location.pathname.replace(/[^/]*$/, "");
  document.cookie = `${name}=${value}; path=${path}; max-age=31536000; samesite=lax`;
};

addEventListener("pagehide", () => {
  if (last && document.cookie.includes(`${last.cookie.name}=`)) keep(last.cookie);
});

// Of a double click the first press counts: the second would press a button whose action is done, before it has gone.
addEventListener(
  "click",
  (event) => {
    if (event.detail > 1 && event.target.closest?.("[data-testid=stButton]")) event.stopImmediatePropagation();
  },
  true,
);

export default function ({ data, parentElement }) {
  document.documentElement.lang = data.language;
  if (data.cookie.isChosen) keep(data.cookie);
  const skip = document.querySelector("[data-testid=stSkipToContent]");
  if (skip && skip.textContent !== data.skip) skip.textContent = data.skip;
  if (last && last.page !== data.page) {
    parentElement.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, composed: true }));
    document.querySelector('.st-key-menu_open button[aria-expanded="true"]')?.click();
  }
  if (last && last.job !== data.job) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
  last = data;
}
