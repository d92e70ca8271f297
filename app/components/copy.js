// Button that copies a text.

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector(".copy");
  button.textContent = data.words.copy;
  button.onclick = async () => {
    button.textContent = (await copied(data.text)) ? data.words.copied : data.words.copy;
    setTimeout(() => (button.textContent = data.words.copy), 2000);
  };
}
