// Login form: sent to a route, whose answer sets the session's cookie; then the app is loaded again.

async function send(data, fields) {
  try {
    const answer = await fetch(data.url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    if (answer.ok) {
      window.location.reload();
      return "";
    }
    return (await answer.json()).error ?? data.words.failed;
  } catch {
    return data.words.failed;
  }
}

export default function ({ data, parentElement }) {
  const form = parentElement.querySelector("form");
  const [button, error] = [form.querySelector("button"), form.querySelector(".error")];
  form.querySelector(".name").textContent = data.words.name;
  form.querySelector(".password").textContent = data.words.password;
  button.textContent = data.words.go;

  const logIn = async (fields) => {
    button.disabled = true;
    error.hidden = true;
    const problem = await send(data, fields);
    if (!problem) return;
    button.disabled = false;
    error.textContent = problem;
    error.hidden = false;
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    logIn({ name: form.elements.name.value, password: form.elements.password.value });
  };
  if (data.ticket && form.dataset.ticket !== data.ticket) {
    form.dataset.ticket = data.ticket;
    logIn({ ticket: data.ticket });
  }
}
