// Forms that show what they would do while their controls are moved.

import { replaceResults, sayUnreachable } from "./page.js";

const PAUSE_MS = 180;

export function liveForm(form) {
  // The button is for pages without scripts.
  form.classList.add("is-live");
  let timer = 0;
  let underWay = new AbortController();

  async function show() {
    underWay.abort();
    underWay = new AbortController();
    const results = document.getElementById("results");
    const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    results?.setAttribute("aria-busy", "true");
    try {
      if (!(await replaceResults(address, underWay.signal))) return;
      // The address can be sent to somebody, and Back leaves the page, not the slider.
      history.replaceState(null, "", address);
    } catch {
      sayUnreachable();
    }
    results?.removeAttribute("aria-busy");
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    show();
  });
}
