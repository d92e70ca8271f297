// Presses the button beside a field at Enter, as the field of a conversation does; Shift+Enter makes a new line. It
// passes on Ctrl+Enter, at which Streamlit reads the field and presses the button.

export default function ({ parentElement }) {
  const row = parentElement.getRootNode().host?.closest(".stHorizontalBlock");
  const listening = new AbortController();
  const press = (event) => {
    const hasOtherKey = event.shiftKey || event.ctrlKey || event.altKey || event.metaKey || event.isComposing;
    if (event.key !== "Enter" || hasOtherKey || !event.target.matches("textarea")) return;
    event.preventDefault();
    event.stopPropagation();
    const passed = { key: "Enter", code: "Enter", keyCode: 13, ctrlKey: true, bubbles: true, cancelable: true };
    event.target.dispatchEvent(new KeyboardEvent("keydown", passed));
  };
  row?.addEventListener("keydown", press, { capture: true, signal: listening.signal });
  return () => listening.abort();
}
