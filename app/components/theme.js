// Switch of the theme, and the browser's memory of the language. Streamlit has no command for either: it reads the theme
// in the browser's storage when a page is loaded, where each path has a theme of its own, and the cookies with it.

const key = (path) => `stActiveTheme-${path}-v2`;

const chosen = () => {
  try {
    return JSON.parse(localStorage.getItem(key(location.pathname)));
  } catch {
    return null;
  }
};

const base = () => location.pathname.replace(/[^/]*$/, "");

const keep = ({ name, value }) => {
  if (value) document.cookie = `${name}=${value}; path=${base()}; max-age=31536000; samesite=lax`;
};

export default function ({ data, parentElement }) {
  keep(data.language);
  const group = parentElement.querySelector(".themes");
  group.setAttribute("aria-label", data.label);
  group.replaceChildren(
    ...Object.entries(data.words).map(([name, words]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.setAttribute("aria-pressed", String(name === (chosen() ?? "System")));
      button.onclick = () => {
        for (const path of data.paths) localStorage.setItem(key(base() + path), JSON.stringify(name));
        location.reload();
      };
      return button;
    }),
  );
}
