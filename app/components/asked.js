// Brings a question that is being answered into view: to the top of the page as far as what follows it reaches, and until
// the reader moves. Without it, a question that is asked from the top of a report is answered out of sight.

const MARGIN = 64; // below the header with the model, CSS pixels
const MOVES = ["wheel", "touchmove", "pointerdown", "keydown"];
let last;

export default function ({ data, parentElement }) {
  const main = document.querySelector("[data-testid=stMain]");
  const question = parentElement.getRootNode().host?.closest("[data-testid=stChatMessage]");
  if (!main || !question || data.asked === last) return;
  last = data.asked;
  const watched = document.querySelector(".st-key-watched");
  const show = () => {
    const box = question.getBoundingClientRect(), video = watched?.getBoundingClientRect();
    const isBelow = video && video.left < box.right && box.left < video.right; // on a phone it stays above
    main.scrollBy(0, box.top - (isBelow ? video.bottom : MARGIN));
  };
  const observer = new ResizeObserver(show), listening = new AbortController();
  observer.observe(main.firstElementChild);
  const stop = () => (observer.disconnect(), listening.abort());
  for (const move of MOVES) addEventListener(move, stop, { capture: true, passive: true, signal: listening.signal });
  return stop;
}
