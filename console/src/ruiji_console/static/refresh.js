// A page that keeps itself up to date while somebody looks at it.

import { replaceResults, sayUnreachable } from "./page.js";

export function refreshed(area) {
  const pauseMs = 1000 * Number(area.dataset.refreshS);

  async function again() {
    // Not under somebody's hands or eyes elsewhere.
    if (!document.hidden && !area.contains(document.activeElement) && document.getSelection().isCollapsed) {
      try {
        await replaceResults(location.href);
      } catch {
        sayUnreachable();
      }
    }
    setTimeout(again, pauseMs);
  }
  setTimeout(again, pauseMs);
}
