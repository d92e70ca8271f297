// Switch of the theme. Streamlit has no command for it: it reads the browser's storage when a page is loaded, where each
// path has a theme of its own.

const key = (path) => `stActiveTheme-${path}-v2`;

const chosen = () => {
  try {
    return JSON.parse(localStorage.getItem(key(location.pathname)));
  } catch {
    return null;
  }
};

export default function ({ data, parentElement }) {
  const group = parentElement.querySelector(".themes");
  group.setAttribute("aria-label", data.label);
  group.replaceChildren(
    ...Object.entries(data.words).map(([name, words]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.setAttribute("aria-pressed", String(name === (chosen() ?? "System")));
      button.onclick = () => {
        const base = location.pathname.replace(/[^/]*$/, "");
        for (const path of data.paths) localStorage.setItem(key(base + path), JSON.stringify(name));
        location.reload();
      };
      return button;
    }),
  );
}
