// The part of a page that changes, fetched anew.

/**
 * Fetches an address and puts its results in the place of those that are shown. Answers false if the fetch was
 * aborted; throws if the console cannot be reached.
 */
export async function replaceResults(address, signal) {
  let text;
  try {
    const answer = await fetch(address, { signal, headers: { Accept: "text/html" } });
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") return false;
    throw error;
  }
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("results");
  const shown = document.getElementById("results");
  if (fresh && shown) shown.replaceChildren(...fresh.childNodes);
  return true;
}

/** Says that the console is gone, in the place of the results. */
export function sayUnreachable() {
  const notice = document.createElement("p");
  notice.className = "notice problem";
  notice.setAttribute("role", "alert");
  notice.textContent = "The console itself does not answer. Is it still running?";
  document.getElementById("results")?.replaceChildren(notice);
}
