// What scripts add to pages that work without them.

import { liveForm } from "./live.js";
import { dropZone } from "./drop.js";
import { refreshed } from "./refresh.js";
import { showValues } from "./values.js";

for (const form of document.querySelectorAll("form[data-live]")) {
  showValues(form);
  liveForm(form);
}
for (const form of document.querySelectorAll("form[data-drop]")) dropZone(form);
for (const area of document.querySelectorAll("[data-refresh-s]")) refreshed(area);

// "/" goes to the search, as on other sites with one.
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  const field = document.querySelector("[data-shortcut='/']");
  if (event.key === "/" && !typing && field) {
    event.preventDefault();
    field.focus();
  }
});
