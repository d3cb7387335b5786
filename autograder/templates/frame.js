"use strict";
// Gives the notebook's frame the height of what is in it, so that it scrolls and prints with the page.
// Nothing can run in the frame (its sandbox does not allow scripts), so only the page can measure it.
addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const content = frame.contentDocument.documentElement;
    new ResizeObserver(() => (frame.height = Math.min(content.offsetHeight + 2, 100_000))).observe(content);
  }
});
